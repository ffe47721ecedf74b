//! The agent: how fast what happens reaches the kernel's tables, how fast it starts and reads another configuration, what
//! health checks cost, how much memory all takes.
//!
//! Two kinds of bench. [`events`] and [`pins`] run the agent's owner in this process, over the kernel's tables, and see each
//! write; what happens is told to it as netlink and health checks would. [`agent`] runs the whole agent as a process of
//! its own, with targets behind a cable, and looks at it from outside.

pub(crate) mod agent;
mod events;
mod owned;
mod pins;
mod process;
mod scene;
mod setup;
mod tables;

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use nlb_userspace::model::{RingKind, RingSize, Weight};
use nlb_userspace::ring::{Member, build};

use crate::Settings;
use crate::leftovers;
use crate::report::Report;
use crate::undisturbed;

/// Measures.
pub(crate) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    leftovers::sweep()?;
    // A thread of its own: it goes ahead of other programs, and so does all that it starts.
    let measured = thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            undisturbed::begin()?;
            ring(settings, report)?;
            events::run(settings, report)?;
            pins::run(settings, report)?;
            agent::run(settings, report)
        });
        measuring.join()
    });
    measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The yardstick of this bench: work of the processor alone, and a good part of what an event costs that can use nothing of
/// what was before.
fn ring(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let size = RingSize::new(1 << 16).context("65,536 is a ring's size")?;
    let identity = |index: u32| u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let member = |index| Member { index, identity: identity(index), weight: Weight::default() };
    let members: Vec<Member> = (1..=1_000).map(member).collect();
    let samples = (0..=settings.runs).map(|run| {
        let began = Instant::now();
        std::hint::black_box(build(RingKind::Rendezvous, run as u64, size, &members));
        milliseconds(began)
    });
    report.figure("a ring of 1,000 targets made anew", "ms", &samples.skip(1).collect::<Vec<_>>());
    Ok(())
}

/// The time since then.
fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}

/// The value that so many hundredths of the samples don't exceed.
fn quantile(samples: &mut [f64], hundredths: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    let place = (samples.len() * hundredths).div_ceil(100).saturating_sub(1);
    samples.get(place).copied().unwrap_or(f64::NAN)
}
