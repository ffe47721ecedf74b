//! One run of the program, in nanoseconds, by `BPF_PROG_TEST_RUN`: beside a bare `XDP_PASS` and a tunnel of constants, for
//! every kind of packet, as one flow and as a million in random order.
//!
//! Every row is run by the same [`again`] program, whose cost is in all of them, as is that of the kernel's own loop: so a
//! difference of two rows is what the programs differ by. Rows take turns.

mod again;
mod packet;
pub(crate) mod profile;
mod router;
mod rows;
mod tables;

use anyhow::{Result, ensure};
use aya::EbpfLoader;
use nlb_userspace::programs;

use crate::Settings;
use crate::figure::Goal;
use crate::report::Report;
use again::{Again, program};
use packet::Kind;
use rows::{ALONE, BARE, Claimed, FLOOR_V4, FLOOR_V6, MANY_LISTENERS, Measured, ROWS, Row};

/// How many flows, and what that is called.
const FLOWS: [(u32, &str); 2] = [(1, "1 flow"), (MOST_FLOWS, "1 M flows")];
const MOST_FLOWS: u32 = 1 << 20;

/// What is held against a floor: the row, the floor, and by how much it may exceed it with one flow.
const OVER_FLOOR: [(&str, &str, f64); 2] = [(ALONE, FLOOR_V4, 25.0), ("v6 tcp ipip", FLOOR_V6, 35.0)];

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;

/// A row, ready to be run.
struct Course {
    row: &'static Row,
    flows: &'static str,
    again: Again,
    samples: Vec<f64>,
}

/// Measures.
pub(crate) fn run(settings: Settings, report: &mut Report) -> Result<()> {
    router::on_one(|| measure(settings, report))
}

fn measure(settings: Settings, report: &mut Report) -> Result<()> {
    let edge = tables::fill(Claimed::Yes)?;
    let gateways = tables::fill(Claimed::Gateway)?;
    let mut yardsticks = EbpfLoader::new().load(programs::MEASURE)?;
    for name in ["nlb_bare", "nlb_floor_v4", "nlb_floor_v6"] {
        again::load(&mut yardsticks, name)?;
    }
    let mut courses = Vec::new();
    for row in ROWS {
        for (flows, name) in FLOWS {
            let packet = tables::packet(row);
            let again = match row.measured {
                Measured::Bare => Again::new(program(&yardsticks, "nlb_bare")?, &packet, flows)?,
                Measured::Floor if row.v6 => Again::new(program(&yardsticks, "nlb_floor_v6")?, &packet, flows)?,
                Measured::Floor => Again::new(program(&yardsticks, "nlb_floor_v4")?, &packet, flows)?,
                Measured::Edge if row.claimed == Claimed::Gateway => Again::new(gateways.program()?, &packet, flows)?,
                Measured::Edge => Again::new(edge.program()?, &packet, flows)?,
            };
            let title = || format!("row '{}', {name}", row.name);
            let (action, first) = (again.action()?, expected(row));
            ensure!(action == first, "{} gives XDP action {action} and not {first}", title());
            let last = if told_enough(row, flows) { XDP_DROP } else { first };
            // The last of many runs has a packet that was restored after each of them.
            for action in [again.warm()?, again.action()?] {
                ensure!(action == last, "{} gives XDP action {action} and not {last} once it is warm", title());
            }
            courses.push(Course { row, flows: name, again, samples: Vec::new() });
        }
    }
    let batches = if settings.quick { 2 } else { 8 };
    for _ in 0..settings.runs {
        for course in &mut courses {
            course.samples.push(course.again.nanoseconds(batches)?);
        }
    }
    for course in &courses {
        report.figure(&format!("{}, {}", course.row.name, course.flows), "ns", &course.samples);
    }
    let samples = |row: &str, flows: &str| {
        let course = courses.iter().find(|course| course.row.name == row && course.flows == flows);
        course.map(|course| course.samples.as_slice()).unwrap_or_default()
    };
    for (row, floor, goal) in OVER_FLOOR {
        for (flows, name) in FLOWS {
            let (ours, least) = (samples(row, name), samples(floor, name));
            let over: Vec<f64> = ours.iter().zip(least).map(|(ours, least)| ours - least).collect();
            let title = format!("{row} over {floor}, {name}");
            if flows == 1 {
                report.with_goal(&title, "ns", &over, Goal::AtMost(goal));
            } else {
                report.figure(&title, "ns", &over);
            }
        }
    }
    // What a packet costs less the loop and the program before it, in one table of 10 k listeners: to a listener that has its
    // port for itself, and to one of 8,192 that share a port.
    let (_, one) = FLOWS[0];
    let (bare, alone, many) = (samples(BARE, one), samples(ALONE, one), samples(MANY_LISTENERS, one));
    let ratio: Vec<f64> =
        bare.iter().zip(alone).zip(many).map(|((bare, alone), many)| (alone - bare) / (many - bare)).collect();
    report.with_goal("one listener of its port / 8,192, 1 flow", "ratio", &ratio, Goal::AtLeast(0.9));
    Ok(())
}

/// Whether the row's sources are told so often that the limit of answers holds: then they are no more than dropped.
fn told_enough(row: &Row, flows: u32) -> bool {
    row.kind == Kind::TooBig && flows == 1
}

/// The action that a row must give: one that measured how fast packets are dropped would be a figure of nothing.
fn expected(row: &Row) -> u32 {
    match row.measured {
        Measured::Bare => XDP_PASS,
        Measured::Floor => XDP_TX,
        Measured::Edge if matches!(row.claimed, Claimed::NoPort | Claimed::Elsewhere) => XDP_PASS,
        Measured::Edge if row.way.redirect => XDP_REDIRECT,
        Measured::Edge => XDP_TX,
    }
}
