//! What is shown, in order.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nlb_tests::lab::{
    AgentConfig, Arms, Host, Lab, NginxOptions, Options, Outcome, Service, VIP_V4, VIP_V6, ensure_same, literal,
    web_and_dns,
};

use crate::screen::Screen;
use crate::{scaling, stay};

const REQUESTS: usize = 600;
const QUESTIONS: usize = 240;
const FILE_BYTES: u64 = 100_000_000;

/// Tells it, and says whether all went well.
pub(crate) fn tell(arms: Arms, stays: bool) -> Result<bool> {
    let mut screen = Screen::new();
    let Some(mut running) = set_up(&mut screen, arms) else {
        return Ok(screen.summary());
    };
    show_balancing(&mut screen, &running);
    show_failure_and_return(&mut screen, &mut running);
    show_agent_killed(&mut screen, &mut running);
    show_status(&mut screen, &running);
    scaling::show(&mut screen);
    let fine = screen.summary();
    if !fine && let Some(agent) = &running.agent {
        let log = agent.log();
        let last: Vec<_> = log.lines().rev().take(20).collect();
        println!("\nThe agent's last words:");
        last.iter().rev().for_each(|line| println!("  {line}"));
    }
    if stays {
        stay::stay(&running.lab, &running.config)?;
    }
    Ok(fine)
}

fn vips() -> [IpAddr; 2] {
    [VIP_V4.into(), VIP_V6.into()]
}

fn set_up(screen: &mut Screen, arms: Arms) -> Option<Service> {
    screen.chapter("A laboratory of network namespaces");
    let lab = screen.step("a client, a router, an edge and three target hosts", || {
        let lab = Lab::new(Options { arms, ..Options::default() })?;
        let id = lab.id().to_owned();
        Ok((lab, id))
    })?;
    screen.text(&picture(&lab, arms));
    let nginx = screen.step("nginx on every target", || {
        let options = NginxOptions { file_bytes: FILE_BYTES, ..NginxOptions::default() };
        let servers: Result<BTreeMap<_, _>> =
            lab.targets().map(|host| Ok((host.name().to_owned(), host.nginx(options)?))).collect();
        Ok((servers?, String::new()))
    })?;
    let dns = screen.step("a DNS server on every target", || {
        Ok((lab.targets().map(Host::dns).collect::<Result<Vec<_>>>()?, String::new()))
    })?;

    screen.chapter("The balancer");
    let target_agents = screen.step("nlb target-agent on every target", || {
        Ok((lab.start_target_agents(&vips())?, format!("{} and {} are on lo", vips()[0], vips()[1])))
    })?;
    let config = web_and_dns().into_iter().fold(AgentConfig::new(&lab), AgentConfig::listener);
    let agent = screen.step("nlb agent on the edge", || {
        let agent = lab.start_agent(&config)?;
        let seen = native_mode(&lab)?;
        Ok((agent, seen))
    })?;
    let running = Service { agent: Some(agent), target_agents, appliances: BTreeMap::new(), nginx, dns, config, lab };
    screen.step("every target healthy and in service", || {
        for vip in vips() {
            running.lab.wait_for_targets(vip, 3)?;
        }
        Ok(((), String::new()))
    })?;
    Some(running)
}

fn picture(lab: &Lab, arms: Arms) -> String {
    let targets: Vec<_> = lab.targets().map(|host| format!("{} {}", host.name(), host.v4())).collect();
    let way = match arms {
        Arms::One => "edge ─▶ router ─▶ target",
        Arms::Two => "edge ─▶ target",
    };
    let client = format!("client {} ── ", lab.client().v4());
    let indent = " ".repeat(client.chars().count());
    format!(
        "{client}router ── edge {}\n{indent}  └─── {}\nto a VIP ({VIP_V4}, {VIP_V6}): client ─▶ router ─▶ {way}\n\
         and back: target ─▶ router ─▶ client",
        lab.edge().v4(),
        targets.join(" · "),
    )
}

fn native_mode(lab: &Lab) -> Result<String> {
    let links = lab.edge().ip("-details link show dev eth0")?;
    ensure!(links.contains("prog/xdp"), "no XDP program on the edge's eth0");
    ensure!(!links.contains("xdpgeneric"), "XDP runs in generic mode");
    Ok("XDP in native mode on eth0".to_owned())
}

fn show_balancing(screen: &mut Screen, running: &Service) {
    let lab = &running.lab;
    screen.chapter("A client's connections spread over the targets");
    for (vip, client) in vips().into_iter().zip([IpAddr::from(lab.client().v4()), lab.client().v6().into()]) {
        let counts = screen.step(&format!("{REQUESTS} requests by curl to http://{}/", literal(vip)), || {
            let tally = lab.client().requests(vip, REQUESTS, 50)?;
            if let Some(first) = tally.failed.first() {
                bail!("{} failed, the first: {first}", tally.failed.len());
            }
            even(&tally.answered, REQUESTS)?;
            ensure!(
                tally.clients.keys().eq([&client.to_string()]),
                "the targets saw {:?} as client, not {client}",
                tally.clients
            );
            Ok((tally.answered, format!("0 failed; every target saw {client} as the client")))
        });
        screen.bars(&counts.unwrap_or_default());
    }
    for vip in vips() {
        let counts = screen.step(&format!("{QUESTIONS} questions by UDP to the DNS server at {vip}"), || {
            let mut counts = BTreeMap::new();
            for answer in lab.client().digs(vip, QUESTIONS)? {
                *counts.entry(answer).or_default() += 1;
            }
            ensure!(counts.values().sum::<usize>() == QUESTIONS, "not every question was answered: {counts:?}");
            even(&counts, QUESTIONS)?;
            Ok((counts, "0 failed".to_owned()))
        });
        screen.bars(&counts.unwrap_or_default());
    }
    screen.step(&format!("a download of {} MB comes whole", FILE_BYTES / 1_000_000), || {
        let file = lab.client().dir().join("download");
        lab.client().download(&format!("http://{VIP_V4}/file"), &file)?;
        let nginx = running.nginx.values().next().context("no nginx")?;
        ensure_same(&nginx.file(), &file)?;
        Ok(((), String::new()))
    });
}

/// Did every target get a fair part? A third of 240 is 80, give or take 7: half of it is far outside of chance.
fn even(counts: &BTreeMap<String, usize>, total: usize) -> Result<()> {
    ensure!(counts.len() == 3, "only these targets answered: {counts:?}");
    for (name, count) in counts {
        ensure!(count * 6 >= total, "{name} got only {count} of {total}: {counts:?}");
    }
    Ok(())
}

fn show_failure_and_return(screen: &mut Screen, running: &mut Service) {
    screen.chapter("A target fails and returns");
    let lab = &running.lab;
    let (vip, limit) = (SocketAddr::new(VIP_V4.into(), 80), running.config.health_time());
    let stopped = running.nginx.remove("t2");
    let title = format!("nginx on t2 stopped under load: no request fails after {} ms", limit.as_millis());
    let counts = screen.step(&title, || {
        let load = lab.client().load(vip, 4)?;
        thread::sleep(Duration::from_millis(300));
        let moment = Instant::now();
        stopped.context("no nginx on t2")?.stop()?;
        let stopped = moment.elapsed();
        thread::sleep(limit + Duration::from_secs(1));
        let outcomes = load.stop();
        let (during, after): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .filter(|one| one.began >= moment)
            .partition(|one| one.began < moment + stopped + limit);
        let failed = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| outcome.answer.is_err()).count();
        let counts = owned(&Outcome::per_target(&after));
        ensure!(failed(&after) == 0, "{} of {} requests failed after that", failed(&after), after.len());
        ensure!(!counts.contains_key("t2"), "t2 still answers");
        ensure!(counts.len() == 2, "only these targets answered: {counts:?}");
        let seen = format!("{} of {} failed before, 0 of {} after", failed(&during), during.len(), after.len());
        Ok((counts, seen))
    });
    screen.bars(&counts.unwrap_or_default());
    let back = screen.step("nginx on t2 started again: it gets requests", || {
        let nginx = lab.host("t2").nginx(NginxOptions { file_bytes: FILE_BYTES, ..NginxOptions::default() })?;
        lab.wait_for_targets(VIP_V4.into(), 3)?;
        let tally = lab.client().requests(VIP_V4.into(), REQUESTS, 50)?;
        ensure!(tally.failed.is_empty(), "{} requests failed", tally.failed.len());
        even(&tally.answered, REQUESTS)?;
        Ok(((nginx, tally.answered), String::new()))
    });
    if let Some((nginx, counts)) = back {
        running.nginx.insert("t2".to_owned(), nginx);
        screen.bars(&counts);
    }
}

fn owned(counts: &BTreeMap<&str, usize>) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn show_agent_killed(screen: &mut Screen, running: &mut Service) {
    screen.chapter("The agent dies, traffic goes on");
    let lab = &running.lab;
    let killed = running.agent.take();
    let agent = screen.step("kill -9 of the agent, then a new one, under load: no request fails", || {
        let load = lab.client().load(SocketAddr::new(VIP_V4.into(), 80), 4)?;
        thread::sleep(Duration::from_millis(300));
        killed.context("no agent")?.kill9()?;
        thread::sleep(Duration::from_secs(1));
        let agent = lab.start_agent(&running.config)?;
        thread::sleep(Duration::from_millis(500));
        let outcomes = load.stop();
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.answer.as_ref().err()) {
            bail!("a request failed: {error}");
        }
        Ok((agent, format!("{} requests, 0 failed", outcomes.len())))
    });
    running.agent = agent;
}

fn show_status(screen: &mut Screen, running: &Service) {
    screen.chapter("What the operator sees");
    for command in ["status", "target list"] {
        let shown = screen
            .step(&format!("nlb {command}"), || Ok((running.lab.nlb(command.split(' '))?.success()?, String::new())));
        screen.text(&shown.unwrap_or_default());
    }
}
