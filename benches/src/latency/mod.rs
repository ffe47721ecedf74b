//! What the edge adds to the time that a datagram and its answer take: a ping-pong over veth, with the edge and a target's
//! decapsulation in the way, and by a cable. Answers never pass the edge.
//!
//! The two ways take turns, a few hundred datagrams each, within one run. The added time holds the edge's program and the
//! target's, a cable more, and what the kernel does to bring a packet of a socket before an XDP program: a network card's
//! driver has no such work.

mod scene;

use std::thread;
use std::time::Instant;

use anyhow::Result;
use nlb_tests::generator::stay_on;

use crate::Settings;
use crate::leftovers;
use crate::report::Report;
use crate::undisturbed;
use scene::{Scene, Way};

/// Datagrams by each way in one run.
const PINGS: usize = 100_000;
/// Datagrams by one way before the other has its turn.
const TURN: usize = 500;

/// What of a run is told, in thousandths.
const QUANTILES: [(usize, &str); 3] = [(500, "p50"), (990, "p99"), (999, "p99.9")];

/// Measures.
pub(crate) fn run(settings: Settings, report: &mut Report) -> Result<()> {
    leftovers::sweep()?;
    let pings = if settings.quick { PINGS / 10 } else { PINGS };
    // A thread of its own: it goes ahead of other programs.
    let measured = thread::spawn(move || {
        let scene = Scene::build()?;
        stay_on(0)?;
        undisturbed::begin()?;
        // The first run is no figure: it finds caches and tables empty.
        (0..=settings.runs).map(|_| once(&scene, pings)).collect::<Result<Vec<_>>>()
    });
    let runs = measured.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    for (thousandth, name) in QUANTILES {
        let each = |value: fn(f64, f64) -> f64| {
            let of = |[with, without]: &[Vec<f64>; 2]| value(quantile(with, thousandth), quantile(without, thousandth));
            runs.iter().skip(1).map(of).collect::<Vec<f64>>()
        };
        report.figure(&format!("{name} without the edge"), "us", &each(|_, without| without));
        report.figure(&format!("{name} with the edge"), "us", &each(|with, _| with));
        report.figure(&format!("{name} added by the edge"), "us", &each(|with, without| with - without));
        report.figure(&format!("{name} with the edge / without"), "ratio", &each(|with, without| with / without));
    }
    Ok(())
}

/// Microseconds of each datagram with its answer, in order of length: by the edge, and directly.
fn once(scene: &Scene, pings: usize) -> Result<[Vec<f64>; 2]> {
    let mut times = [Vec::with_capacity(pings), Vec::with_capacity(pings)];
    while times[0].len() < pings {
        for way in [Way::Edge, Way::Direct] {
            for _ in 0..TURN {
                let begun = Instant::now();
                scene.ping(way)?;
                times[way as usize].push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    Ok(times)
}

/// The value that so many thousandths of the sorted ones don't exceed.
fn quantile(sorted: &[f64], thousandths: usize) -> f64 {
    sorted.get(sorted.len() * thousandths / 1_000).copied().unwrap_or(f64::NAN)
}
