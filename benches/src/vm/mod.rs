//! The edge beside the kernel's own balancer, IPVS, on a kernel that has it and pktgen: `cargo xtask vm bench` boots one.
//!
//! ```text
//!  pktgen ─▶ cable ─▶ edge: ours | IPVS | … ─▶ cable ─▶ sink, which counts
//! ```
//! Who does the edge's work has a [`lane`] of its own. Lanes take turns with the same traffic, and a ratio is the median of the
//! ratios of each turn. Each packet that is sent is found again: at the sink, or among those that an interface had no room for.

mod cables;
mod counters;
mod ipvs;
mod lane;
mod pktgen;
mod probe;
mod rows;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::Settings;
use crate::leftovers;
use crate::report::Report;
use lane::Lane;
use rows::Row;

/// Packets of one run of a row.
const PACKETS: u64 = 1 << 12;

/// Rates by who did the work.
type Rates = BTreeMap<&'static str, Vec<f64>>;

/// Measures.
pub(crate) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    ensure!(pktgen::is_here(), "this kernel has no pktgen; `cargo xtask vm bench` boots one that has");
    leftovers::sweep()?;
    let mut lanes = Vec::new();
    for (number, contestant) in rows::contestants().into_iter().enumerate() {
        let lane = Lane::build(number, contestant.work).with_context(|| contestant.name)?;
        lanes.push((contestant.name, lane));
    }
    let packets = if settings.quick { PACKETS / 2 } else { PACKETS };
    let mut seen = 0;
    for row in rows::rows(settings.quick) {
        // Rows with more flows have those of the others among them.
        if row.stream.flows > seen {
            for (name, lane) in &lanes {
                lane.show(&row.stream).with_context(|| *name)?;
            }
            seen = row.stream.flows;
        }
        let mut rates = Rates::new();
        for _ in 0..settings.runs {
            for (name, lane) in &lanes {
                let sample = lane.run(&row.stream, packets).with_context(|| *name)?;
                rates.entry(*name).or_default().push(sample.mpps());
            }
        }
        tell(row, &rates, report)?;
    }
    Ok(())
}

/// The figures of a row.
fn tell(row: Row, rates: &Rates, report: &mut Report) -> Result<()> {
    let of = |name: &'static str| rates.get(name).map(Vec::as_slice).context(name);
    for contestant in rows::contestants() {
        report.figure(&format!("{}, {}", row.name, contestant.name), "Mpps", of(contestant.name)?);
    }
    for ratio in rows::ratios() {
        let each: Vec<f64> = of(ratio.of)?.iter().zip(of(ratio.over)?).map(|(of, over)| of / over).collect();
        let title = format!("{}, {} / {}", row.name, ratio.of, ratio.over);
        match ratio.goal {
            Some(goal) => report.with_goal(&title, "ratio", &each, goal),
            None => report.figure(&title, "ratio", &each),
        }
    }
    Ok(())
}
