//! Capacity follows load, and goes ahead of it, through the VIP, with instances that the agent launches as processes.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nlb_tests::lab::{Instances, Scaling, wait_until};
use nlb_userspace::api::dto::Moment;
use nlb_userspace::autoscale::forecast::History;
use nlb_userspace::model::Timestamp;
use nlb_userspace::store::Store;

const PATIENCE: Duration = Duration::from_secs(180);

/// Every connection says ten lines a second, each of which is two packets: 5 are half of what an instance should bear, 80 are
/// more than two instances' also on a machine that is slow.
const POLICY: &str = "period = \"10s\"\nwarmup = \"1s\"\nstabilization = \"20s\"\n\
                      [[autoscaling_group.target_tracking]]\nname = \"packets\"\nmetric = \"packets\"\ntarget = 200\n\
                      out_periods = 1\nin_periods = 2\n";

/// One instance for ten of the load: what is usual takes one, the rush takes three.
const FORECAST: &str = "[[autoscaling_group.predictive_scaling]]\nname = \"ahead\"\nmetric = \"sum(new_flows)\"\n\
                        per_instance = 10\nmode = \"forecast_and_scale\"\nbuffer = \"59m59s\"\nquantile = 0.5\n";
const USUAL: f64 = 8.0;
const RUSH: f64 = 28.0;

/// Two days of a load that rises each day in the hour after `now`'s, and stays up for six hours.
fn rushes(now: Duration) -> History {
    let minutes = now.as_secs() / 60;
    let mut history = History::default();
    for minute in minutes - 2 * 1_440..minutes {
        let since_the_rise = (minute / 60 + 24 - (minutes / 60 + 1) % 24) % 24;
        let load = if since_the_rise < 6 { RUSH } else { USUAL };
        history.record(Timestamp::from_epoch(Duration::from_secs(minute * 60)), load);
    }
    history
}

/// That is why the capacity changed last.
fn ensure_changed_by(scaling: &Scaling, cause: &str) -> Result<()> {
    let explained = scaling.explained()?;
    ensure!(explained["last_change"]["cause"] == cause, "{}", scaling.told());
    Ok(())
}

#[test]
fn capacity_follows_load_out_and_in_and_no_connection_breaks() -> Result<()> {
    let mut instances = Instances::new(1, 3, 1)?;
    instances.more = POLICY.to_owned();
    let scaling = Scaling::start(&instances)?;
    let lab = &scaling.lab;
    let answer = |count| lab.wait_for_targets(Scaling::SERVER.ip(), count).with_context(|| scaling.told());
    scaling.wait_for(1)?;
    answer(1)?;

    let many = lab.client().flows(Scaling::SERVER, 80)?;
    scaling.wait_for(3)?;
    answer(3)?;

    let mut report = many.stop();
    // A few connections at a time, each for less than a drain takes: some are on instances that leave meanwhile.
    let until = Instant::now() + PATIENCE;
    while lab.instances()?.len() > 1 {
        ensure!(Instant::now() < until, "{}", scaling.told());
        let few = lab.client().flows(Scaling::SERVER, 5)?;
        sleep(Duration::from_secs(2));
        report.add(few.stop());
    }
    ensure!(report.broken_count() == 0, "{report:?}");
    ensure!(report.opened.len() == 3, "not every instance had connections: {:?}", report.opened);
    scaling.wait_for(1)
}

#[test]
fn a_forecast_and_a_schedule_scale_ahead_of_the_rise() -> Result<()> {
    let mut instances = Instances::new(1, 4, 1)?;
    instances.more = FORECAST.to_owned();
    let mut scaling = Scaling::prepare(&instances)?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    Store::open(scaling.state_dir())?.save_histories(&"web".parse()?, &[(&"ahead".parse()?, &rushes(now()?))])?;
    scaling.start_agent()?;
    scaling.wait_for(3)?;
    ensure_changed_by(&scaling, "policy `ahead`")?;

    let opening = Moment::from(Timestamp::from_epoch(now()? + Duration::from_secs(2)));
    instances.more +=
        &format!("[[autoscaling_group.schedule]]\nname = \"opening\"\nstart = \"{opening}\"\ndesired = 4\n");
    scaling.configure(&instances)?;
    scaling.wait_for(4)?;
    ensure_changed_by(&scaling, "scheduled action `opening`")?;

    // Until now there was no load; its first connections find all instances healthy.
    let report = scaling.lab.client().flows(Scaling::SERVER, 80)?.stop();
    ensure!(report.broken_count() == 0 && report.opened.len() == 4, "{report:?}\n{}", scaling.told());
    Ok(())
}

#[test]
fn an_instance_that_is_killed_is_replaced() -> Result<()> {
    let scaling = Scaling::start(&Instances::new(2, 4, 2)?)?;
    scaling.wait_for(2)?;
    let (lost, pids) = scaling.lab.instances()?.into_iter().next().context("no instance")?;
    for pid in pids {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    }
    let gone = || scaling.lab.instances().ok()?.iter().all(|(name, _)| *name != lost).then_some(());
    wait_until("it is gone", PATIENCE, gone).with_context(|| scaling.told())?;
    scaling.wait_for(2)?;
    scaling.lab.wait_for_targets(Scaling::SERVER.ip(), 2).with_context(|| scaling.told())
}

#[test]
fn an_agent_that_is_killed_while_it_launches_loses_no_instance_and_launches_none_twice() -> Result<()> {
    let mut scaling = Scaling::start(&Instances::new(0, 8, 0)?)?;
    // The moments differ: nothing noted yet, namespaces half made, servers started and not noted.
    for (wanted, pause) in [(2_usize, 0), (4, 50), (6, 150), (8, 400)] {
        scaling.lab.nlb(["asg", "set-desired", "web", &wanted.to_string()])?.success()?;
        sleep(Duration::from_millis(pause));
        scaling.replace_agent()?;
        scaling.wait_for(wanted).with_context(|| format!("killed after {pause} ms"))?;
        let records = std::fs::read_dir(scaling.lab.instance_records())?.filter_map(Result::ok);
        let noted = records.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"));
        ensure!(noted.count() == wanted, "{}", scaling.told());
    }
    scaling.lab.wait_for_targets(Scaling::SERVER.ip(), 8).with_context(|| scaling.told())?;
    scaling.lab.nlb(["asg", "set-desired", "web", "0"])?.success()?;
    scaling.wait_for(0)
}

#[test]
fn instances_serve_on_while_there_is_no_agent() -> Result<()> {
    let mut scaling = Scaling::start(&Instances::new(2, 2, 2)?)?;
    scaling.wait_for(2)?;
    scaling.lab.wait_for_targets(Scaling::SERVER.ip(), 2).with_context(|| scaling.told())?;
    let before = scaling.lab.instances()?;
    scaling.agent.take().context("no agent")?.stop()?;
    sleep(Duration::from_secs(1));
    ensure!(scaling.lab.instances()? == before, "they ended with the agent");
    let tally = scaling.lab.client().requests(Scaling::SERVER.ip(), 20, 4)?;
    ensure!(tally.failed.is_empty(), "{tally:?}");
    scaling.start_agent()?;
    scaling.wait_for(2)?;
    ensure!(scaling.lab.instances()? == before, "others run now: {:?}", scaling.lab.instances()?);
    Ok(())
}
