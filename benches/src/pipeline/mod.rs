//! Packets from a generator through the edge's program on an interface to a sink, which counts: whatever is lost on the way
//! counts against what lost it.
//!
//! Every row has its own generator; rows that differ in what the edge does have a [`lane`] of their own. Rows take turns, and
//! a ratio is the median of the ratios of each turn.

mod lane;
mod rows;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::generator::{Generator, Order, Sizes, Traffic};

use crate::Settings;
use crate::leftovers;
use crate::report::Report;
use lane::{Cores, Lane, Sample, Work};
use rows::{LaneRows, Row, lanes, ratios};

/// Packets of one run of a row. They are sent in parts, between which the other rows have their turns: what disturbs the
/// machine for a moment disturbs all rows alike.
const PACKETS: u64 = 1 << 20;
const PARTS: u64 = 4;
/// Packets before each part that are not counted: they bring back to the caches what the other rows pushed out.
const LEAD: u64 = 1 << 15;
/// Flows that are all seen once before anything is measured; of more than these none is remembered.
const REMEMBERED: u64 = 1 << 20;
/// Packets that show whether a row does what it says.
const PROBE: u64 = 1 << 12;
/// The least that an outer header adds.
const OUTER: u64 = 20;

/// How many cores, and what that is called.
const CORES: [(Cores, &str); 2] = [(Cores::One, "one core"), (Cores::Two, "two cores")];

/// A lane with its rows, ready.
struct Course {
    lane: Lane,
    rows: Vec<(Row, Generator)>,
}

/// Measures.
pub(crate) fn run(settings: Settings, report: &mut Report) -> Result<()> {
    leftovers::sweep()?;
    let mut courses = Vec::new();
    for (number, lane) in lanes().into_iter().enumerate() {
        courses.push(prepare(number, lane)?);
    }
    let part = if settings.quick { PACKETS / 8 } else { PACKETS } / PARTS;
    let mut samples = BTreeMap::<(&str, &str), Vec<f64>>::new();
    for _ in 0..settings.runs {
        for (cores, cores_name) in CORES {
            for (row, sample) in turns(&mut courses, cores, part)? {
                samples.entry((cores_name, row)).or_default().push(sample.mpps());
            }
        }
    }
    for (_, cores) in CORES {
        for (row, _) in courses.iter().flat_map(|course| &course.rows) {
            let rates = samples.get(&(cores, row.name)).map_or(&[][..], Vec::as_slice);
            report.figure(&format!("{cores}, {}", row.name), "Mpps", rates);
        }
        for ratio in ratios() {
            let of = samples.get(&(cores, ratio.of)).with_context(|| ratio.of)?;
            let over = samples.get(&(cores, ratio.over)).with_context(|| ratio.over)?;
            let each: Vec<f64> = of.iter().zip(over).map(|(of, over)| of / over).collect();
            let title = format!("{cores}, {} / {}", ratio.of, ratio.over);
            match ratio.goal {
                Some(goal) => report.with_goal(&title, "ratio", &each, goal),
                None => report.figure(&title, "ratio", &each),
            }
        }
    }
    Ok(())
}

/// One run of every row.
fn turns(courses: &mut [Course], cores: Cores, part: u64) -> Result<BTreeMap<&'static str, Sample>> {
    for course in &mut *courses {
        course.lane.use_cores(cores)?;
    }
    let mut samples = BTreeMap::<&str, Sample>::new();
    for _ in 0..PARTS {
        for course in &*courses {
            for (row, generator) in &course.rows {
                course.lane.run(generator, LEAD).with_context(|| row.name)?;
                *samples.entry(row.name).or_default() += course.lane.run(generator, part).with_context(|| row.name)?;
            }
        }
    }
    Ok(samples)
}

/// Builds a lane, sees to it that its packets go where they should, and lets it see the flows that it may remember.
fn prepare(number: usize, LaneRows { work, arms, rows }: LaneRows) -> Result<Course> {
    let lane = Lane::build(number, work, arms)?;
    let mut ready = Vec::new();
    for row in rows {
        let generator = lane.generator(&row.traffic)?;
        let probe = lane.run(&generator, PROBE).with_context(|| row.name)?;
        let packets = probe.packets;
        ensure!(packets > PROBE * 9 / 10, "{}: {packets} of {PROBE} packets reached the sink", row.name);
        if row.traffic.sizes == Sizes::Shortest && !matches!(work, Work::Drop) {
            let (sent, length) = (generator.next_packet()?.len() as u64, probe.bytes / packets);
            ensure!(length >= sent + OUTER, "{}: packets of {length} bytes reached the sink", row.name);
        }
        if row.traffic.flows <= REMEMBERED {
            let once = Traffic { order: Order::Cyclic, ..row.traffic.clone() };
            lane.run(&lane.generator(&once)?, row.traffic.flows.max(PROBE)).with_context(|| row.name)?;
        }
        ready.push((row, generator));
    }
    Ok(Course { lane, rows: ready })
}
