//! From what happens to the last slot that it changes.

use std::future::Future;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nlb_userspace::control::event::Health;
use nlb_userspace::control::{Change, Event};
use nlb_userspace::model::{Target, TargetKey, Weight};

use super::owned::{self, Owned, found, look, way};
use super::quantile;
use super::scene::Scene;
use super::setup::{PORT, Setup, TARGET, nth};
use crate::Settings;
use crate::figure::Goal;
use crate::report::Report;

/// 1,000 targets and 1,000 listeners, and how many groups share them.
const SETUPS: [Setup; 3] = {
    let one = Setup {
        groups: 1,
        listeners: 1_000,
        targets: 1_000,
        ring: 65_536,
        tracking: "transition",
        check: "kind = 'tcp'",
        flows: 1 << 16,
    };
    [one, Setup { groups: 100, ring: 16_384, ..one }, Setup { groups: 500, ring: 1_024, ..one }]
};

/// What happens, in the order of a round.
const KINDS: [&str; 9] = [
    "registered",
    "passed its first checks",
    "failed its checks",
    "well again",
    "weight changed",
    "weight changed back",
    "drained",
    "drain undone",
    "deregistered",
];
/// Rounds of one run: each event happens as often, to another target each time.
const ROUNDS: usize = 25;

/// Milliseconds that the events of one run took, by kind.
#[derive(Default)]
struct Times {
    /// Until the last slot was written.
    written: [Vec<f64>; KINDS.len()],
    /// Until the owner was free for the next one.
    free: Vec<f64>,
}

/// Measures.
pub(super) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    for setup in &SETUPS {
        let scene = Scene::build("events")?;
        let mut runs = scene.edge.inside(|| measure(setup, &scene, settings))?;
        // The first run is no figure: it finds caches and tables empty.
        runs.remove(0);
        let words = setup.words();
        for (kind, name) in KINDS.iter().enumerate() {
            let p50: Vec<f64> = runs.iter_mut().map(|times| quantile(&mut times.written[kind], 50)).collect();
            report.figure(&format!("{words}: {name}, p50"), "ms", &p50);
        }
        let all =
            |hundredths| runs.iter().map(|times| quantile(&mut times.written.concat(), hundredths)).collect::<Vec<_>>();
        let (p50, p99) = (all(50), all(99));
        report.figure(&format!("{words}: event to last slot, p50"), "ms", &p50);
        report.with_goal(&format!("{words}: event to last slot, p99"), "ms", &p99, Goal::AtMost(10.0));
        let free: Vec<f64> = runs.iter_mut().map(|times| quantile(&mut times.free, 99)).collect();
        report.figure(&format!("{words}: event until the owner is free, p99"), "ms", &free);
    }
    Ok(())
}

fn measure(setup: &Setup, scene: &Scene, settings: Settings) -> Result<Vec<Times>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let owned = owned::begin(setup, scene, |_| Ok(()))?;
        owned.all_well()?;
        let Owned { owner, events, taken_events, taken_commands, handle, sight, inlets: _inlets } = owned;
        let driver = Driver { setup, events, handle, sight };
        let rounds = if settings.quick { 2 } else { ROUNDS };
        let driven = async {
            driver.settled().await?;
            let mut runs = Vec::new();
            for run in 0..=settings.runs {
                runs.push(driver.run(run * rounds..(run + 1) * rounds).await?);
            }
            Ok(runs)
        };
        tokio::select! {
            runs = driven => runs,
            () = owner.run(taken_events, taken_commands) => anyhow::bail!("the owner stopped"),
        }
    })
}

/// Lets things happen, one after the other.
struct Driver<'a> {
    setup: &'a Setup,
    events: tokio::sync::mpsc::Sender<Event>,
    handle: nlb_userspace::agent::Handle,
    sight: owned::Sight,
}

impl Driver<'_> {
    /// Waits until all targets have their slots.
    async fn settled(&self) -> Result<()> {
        let serve = |snapshot: &nlb_userspace::control::snapshot::Snapshot| {
            snapshot.groups.iter().flat_map(|group| &group.targets).all(|target| target.slots > 0)
        };
        for _ in 0..1_000 {
            if serve(&self.handle.snapshot()) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        anyhow::bail!("some targets have no slots")
    }

    async fn run(&self, rounds: std::ops::Range<usize>) -> Result<Times> {
        let mut times = Times::default();
        for round in rounds {
            let other = |by: usize| self.target(round * 4 + by);
            let new = self.new_target(round)?;
            let target = Target {
                address: new.address,
                port: new.port,
                zone: None,
                weight: Weight::default(),
                quic_server_id: None,
            };
            let register = Change::Register { group: new.group.clone(), target };
            let weight = |weight| {
                let weight = Weight::new(weight).context("a weight")?;
                Ok::<_, anyhow::Error>(Change::SetWeight { target: other(1)?, weight })
            };
            self.change(&mut times, 0, register).await?;
            look(&self.sight, |seen| seen.written = None);
            self.tell(way(new.address)).await?;
            self.event(&mut times, 1, found(new.clone(), Health::Healthy)).await?;
            self.event(&mut times, 2, found(other(0)?, Health::Unhealthy)).await?;
            self.event(&mut times, 3, found(other(0)?, Health::Healthy)).await?;
            self.change(&mut times, 4, weight(50)?).await?;
            self.change(&mut times, 5, weight(100)?).await?;
            self.change(&mut times, 6, Change::Drain { target: other(2)? }).await?;
            self.change(&mut times, 7, Change::Undrain { target: other(2)? }).await?;
            self.change(&mut times, 8, Change::Deregister { target: new }).await?;
        }
        Ok(times)
    }

    async fn change(&self, times: &mut Times, kind: usize, change: Change) -> Result<()> {
        let done = async { self.handle.change(change).await.map(drop).map_err(anyhow::Error::from) };
        self.time(times, kind, done).await
    }

    async fn event(&self, times: &mut Times, kind: usize, event: Event) -> Result<()> {
        self.time(times, kind, self.tell(event)).await
    }

    /// Sends an event and waits until something was written for it.
    async fn tell(&self, event: Event) -> Result<()> {
        let told = format!("{event:?}");
        self.events.send(event).await?;
        // The owner is in this thread, and takes an event in whole.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
            if look(&self.sight, |seen| seen.written.is_some()) {
                return Ok(());
            }
        }
        anyhow::bail!("nothing was written for {told}")
    }

    async fn time(&self, times: &mut Times, kind: usize, done: impl Future<Output = Result<()>>) -> Result<()> {
        look(&self.sight, |seen| seen.written = None);
        let began = Instant::now();
        done.await?;
        let (written, free) = (look(&self.sight, |seen| seen.written), Instant::now());
        let written = written.with_context(|| format!("{}: nothing was written", KINDS[kind]))?;
        ensure!(written >= began, "it was written before it happened");
        times.written[kind].push((written - began).as_secs_f64() * 1_000.0);
        times.free.push((free - began).as_secs_f64() * 1_000.0);
        // See `undisturbed`: with this pause the kernel never takes the processor away.
        tokio::time::sleep((free - began) / 8).await;
        Ok(())
    }

    /// One of the file's targets: neighbours in number are of different groups, as far as there are.
    fn target(&self, number: usize) -> Result<TargetKey> {
        let (number, groups) = (u32::try_from(number)?.wrapping_mul(7), self.setup.groups);
        let each = self.setup.targets / groups;
        let (group, target) = (number % groups, number / groups % each);
        self.key(group, group * each + target)
    }

    /// One that the file doesn't have.
    fn new_target(&self, number: usize) -> Result<TargetKey> {
        let number = u32::try_from(number)?;
        self.key(number % self.setup.groups, self.setup.targets + number)
    }

    fn key(&self, group: u32, target: u32) -> Result<TargetKey> {
        Ok(TargetKey { group: format!("g{group}").parse()?, address: nth(TARGET, target).into(), port: PORT })
    }
}
