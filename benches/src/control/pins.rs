//! A million pinned flows swept by the owner, in batches between which it does other things.

use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, Map, MapData};
use nix::time::{ClockId, clock_gettime};
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_userspace::agent::Handle;

use super::milliseconds;
use super::owned::{self, Owned, Sight, look};
use super::scene::Scene;
use super::setup::{PORT, Setup, VIP};
use crate::Settings;
use crate::report::Report;

/// Pins of one run.
const PINS: u32 = 1_000_000;
/// Longer than any flow may be silent.
const LONG_AGO: u32 = 10_000;
/// A sweep that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_micros(100);

/// What a sweep finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flows {
    /// Flows that ended long ago: they go.
    Ended,
    /// Flows that live: they stay.
    Alive,
}

/// One sweep.
struct Swept {
    /// Milliseconds from the first batch to the last.
    time: f64,
    /// Milliseconds that somebody waited at most for an answer meanwhile.
    stall: f64,
    batches: f64,
}

/// Measures.
pub(super) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let pins = if settings.quick { PINS / 20 } else { PINS };
    for (flows, words) in
        [(Flows::Ended, "all of them ended and removed"), (Flows::Alive, "all of them alive and kept")]
    {
        let sweeps = (0..settings.runs).map(|_| sweep(flows, pins)).collect::<Result<Vec<Swept>>>()?;
        let each = |value: fn(&Swept) -> f64| sweeps.iter().map(value).collect::<Vec<f64>>();
        report.figure(&format!("1 M pins, {words}: sweep"), "ms", &each(|swept| swept.time));
        report.figure(&format!("1 M pins, {words}: longest wait for the owner"), "ms", &each(|swept| swept.stall));
        report.figure(&format!("1 M pins, {words}: batches"), "count", &each(|swept| swept.batches));
    }
    Ok(())
}

fn sweep(flows: Flows, pins: u32) -> Result<Swept> {
    let setup = Setup { listeners: 1, targets: 100, tracking: "all", flows: 1 << 21, ..Setup::default() };
    let scene = Scene::build("pins")?;
    let owned = scene.edge.inside(|| owned::begin(&setup, &scene, |set| fill(set, flows, pins)))?;
    owned.all_well()?;
    let Owned { owner, events: _events, taken_events, taken_commands, handle, sight, inlets: _inlets } = owned;
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    // A thread of the owner's own: others can ask while it works.
    let (time, stall) = thread::scope(|scope| {
        let running =
            scope.spawn(|| runtime().map(|runtime| runtime.block_on(owner.run(taken_events, taken_commands))));
        let asked = runtime()?.block_on(async {
            let asked = ask(&handle, &sight).await;
            handle.stop().await;
            asked
        });
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        asked
    })?;
    let (batches, unpinned) = look(&sight, |seen| (seen.batches, seen.unpinned));
    let gone = if flows == Flows::Ended { pins } else { 0 };
    ensure!(unpinned == gone as usize, "{unpinned} pins were removed, and not {gone}");
    Ok(Swept { time, stall, batches: batches as f64 })
}

/// Asks the owner one thing after the other until its sweep is over. Milliseconds that this takes, and that the longest answer
/// took meanwhile.
async fn ask(handle: &Handle, sight: &Sight) -> Result<(f64, f64)> {
    let (began, mut stall) = (Instant::now(), 0.0_f64);
    loop {
        ensure!(began.elapsed() < PATIENCE, "the sweep is not over");
        let asked = Instant::now();
        handle.pin(flow(0)).await?;
        let (first, last) = look(sight, |seen| (seen.first_pins, seen.last_pins));
        if first.is_some() {
            stall = stall.max(milliseconds(asked));
        }
        if let (Some(first), Some(last)) = (first, last) {
            return Ok(((last - first).as_secs_f64() * 1_000.0, stall));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Pins so many flows to the first target's entry.
fn fill(set: &Path, flows: Flows, pins: u32) -> Result<()> {
    let map = MapData::from_pin(set.join(edge::ESTABLISHED)).context("the established flows are not pinned")?;
    let mut map = HashMap::<_, Flow, Pin>::try_from(Map::HashMap(map))?;
    let now = u32::try_from(clock_gettime(ClockId::CLOCK_MONOTONIC)?.tv_sec())?;
    let seen = if flows == Flows::Ended { now.wrapping_sub(LONG_AGO) } else { now };
    for number in 0..pins {
        map.insert(flow(number), Pin { target: 1, seen, ..Pin::default() }, 0).context("no room for another pin")?;
    }
    Ok(())
}

fn flow(number: u32) -> Flow {
    let client = u32::from_be_bytes([100, 64, 0, 1]) + number / 1_000;
    let port = u16::try_from(1_024 + number % 1_000).unwrap_or_default();
    Flow {
        source: IpAddr::from(std::net::Ipv4Addr::from_bits(client)).into(),
        destination: IpAddr::from(VIP).into(),
        source_port: port.to_be(),
        destination_port: PORT.to_be(),
        protocol: 6,
        padding: [0; 3],
    }
}
