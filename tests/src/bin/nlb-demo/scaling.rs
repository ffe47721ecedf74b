//! The second act: an edge that launches its targets, as many as the load needs.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nlb_tests::lab::{Instances, Scaling};
use nlb_userspace::commands::render::Style;
use nlb_userspace::commands::text;

use crate::screen::Screen;

/// Packets a second that an instance should bear.
const TARGET: f64 = 200.0;

const POLICY: &str = "period = \"10s\"\nwarmup = \"1s\"\nstabilization = \"15s\"\n\
                      [[autoscaling_group.target_tracking]]\nname = \"packets\"\nmetric = \"packets\"\ntarget = 200\n\
                      out_periods = 1\nin_periods = 1\n";

/// Each connection says ten lines a second, of two packets each.
const MANY: usize = 70;
const FEW: usize = 5;

const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(1_000);

/// What was seen, look by look.
#[derive(Default)]
struct Seen {
    /// Instances that the load needs; nothing while it isn't known.
    need: Vec<Option<u32>>,
    /// Instances in service.
    supply: Vec<u32>,
}

/// Tells it.
pub(crate) fn show(screen: &mut Screen) {
    screen.chapter("Capacity follows load");
    let scaling = screen.step("an edge without targets, and an autoscaling group of 1 to 4 processes", || {
        let mut instances = Instances::new(1, 4, 1)?;
        instances.more = POLICY.to_owned();
        let scaling = Scaling::start(&instances)?;
        scaling.wait_for(1)?;
        scaling.lab.wait_for_targets(Scaling::SERVER.ip(), 1)?;
        Ok((scaling, "one was launched, is healthy and answers at the VIP".to_owned()))
    });
    let Some(scaling) = scaling else { return };
    let mut seen = Seen::default();
    let title = format!("load rises to {MANY} busy connections: instances are launched and get traffic");
    screen.step(&title, || {
        let flows = scaling.lab.client().flows(Scaling::SERVER, MANY)?;
        seen.watch(&scaling, 4, || Ok(()))?;
        scaling.lab.wait_for_targets(Scaling::SERVER.ip(), 4)?;
        let report = flows.stop();
        ensure!(report.broken_count() == 0, "connections broke: {:?}", report.broken);
        Ok(((), format!("4 serve; {} lines answered, 0 connections broken", report.lines)))
    });
    screen.step(&format!("load falls to {FEW}: instances are drained and ended"), || {
        let mut report = nlb_tests::lab::FlowReport::default();
        seen.watch(&scaling, 1, || {
            let flows = scaling.lab.client().flows(Scaling::SERVER, FEW)?;
            thread::sleep(LOOK);
            report.add(flows.stop());
            Ok(())
        })?;
        scaling.wait_for(1)?;
        ensure!(report.broken_count() == 0, "connections broke: {:?}", report.broken);
        Ok(((), format!("1 serves; {} lines answered, 0 connections broken", report.lines)))
    });
    screen.text("What the load needed (blocks) and what served (line), second by second:");
    screen.text(&text::supply_chart(&seen.need, &seen.supply, Style::PLAIN));
    for command in ["asg activity web --last 8", "asg explain web"] {
        let shown = screen
            .step(&format!("nlb {command}"), || Ok((scaling.lab.nlb(command.split(' '))?.success()?, String::new())));
        screen.text(&shown.unwrap_or_default());
    }
}

impl Seen {
    /// Looks again and again, with `meanwhile` in between, until that many serve.
    fn watch(&mut self, scaling: &Scaling, count: u32, mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let supply = self.look(scaling)?;
            if supply == count {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{supply} serve after {LIMIT:?}, not {count}: {}", scaling.told());
            let next = Instant::now() + LOOK;
            meanwhile()?;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn look(&mut self, scaling: &Scaling) -> Result<u32> {
        let supply = scaling.group()?["in_service"].as_u64().unwrap_or_default();
        let supply = u32::try_from(supply)?;
        let explained = scaling.explained()?;
        let mean = explained["policies"][0]["figure"].as_f64();
        let serving = explained["serving"].as_f64().unwrap_or_default();
        self.need.push(mean.map(|mean| whole(mean * serving / TARGET)));
        self.supply.push(supply);
        Ok(supply)
    }
}

/// Instances for a load: never none, and a few at most.
fn whole(instances: f64) -> u32 {
    (1..=8).find(|count| f64::from(*count) >= instances).unwrap_or(8)
}
