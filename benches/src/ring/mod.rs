//! The ring of a target group: how long it takes to build, how even it is, and how much a change moves, by rendezvous
//! hashing with bounded shares and by Maglev, turn by turn.

use std::time::Instant;

use anyhow::{Context as _, Result};
use nlb_userspace::model::{RingKind, RingSize, Weight};
use nlb_userspace::ring::{Member, build, least_moved, moved};

use crate::Settings;
use crate::figure::Goal;
use crate::report::Report;

const KINDS: [(&str, RingKind); 2] = [("rendezvous", RingKind::Rendezvous), ("maglev", RingKind::Maglev)];
const COUNTS: [u32; 5] = [10, 100, 300, 1_000, 10_000];

fn members(count: u32, run: usize) -> Vec<Member> {
    let identity = |index: u32| (u64::from(index) + ((run as u64) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (1..=count).map(|index| Member { index, identity: identity(index), weight: Weight::default() }).collect()
}

/// What one run measures of one ring and one change.
#[derive(Default)]
struct Samples {
    build: Vec<f64>,
    over: Vec<f64>,
    under: Vec<f64>,
    removed: Vec<f64>,
    added: Vec<f64>,
    heavier: Vec<f64>,
}

fn measure(kind: RingKind, size: RingSize, count: u32, run: usize, samples: &mut Samples) {
    let all = members(count + 1, run);
    let (fewer, one) = (&all[..count as usize], run % count as usize);
    let began = Instant::now();
    let before = build(kind, run as u64, size, fewer);
    samples.build.push(began.elapsed().as_secs_f64() * 1_000.0);

    let mut loads = vec![0_u32; all.len() + 1];
    before.iter().for_each(|&target| loads[target as usize] += 1);
    let share = f64::from(size.get()) / f64::from(count);
    let loads = &loads[1..=count as usize];
    samples.over.push(f64::from(loads.iter().copied().max().unwrap_or(0)) / share);
    samples.under.push(f64::from(loads.iter().copied().min().unwrap_or(0)) / share);

    let ratio = |members: &[Member]| {
        let after = build(kind, run as u64, size, members);
        f64::from(moved(&before, &after)) / f64::from(least_moved(&before, &after).max(1))
    };
    let mut without = fewer.to_vec();
    without.remove(one);
    samples.removed.push(ratio(&without));
    samples.added.push(ratio(&all));
    let mut heavier = fewer.to_vec();
    heavier[one].weight = Weight::new(200).unwrap_or_default();
    samples.heavier.push(ratio(&heavier));
}

pub(crate) fn run(settings: Settings, report: &mut Report) -> Result<()> {
    let size = RingSize::new(1 << 16).context("65,536 is a ring's size")?;
    for count in COUNTS {
        let mut samples = KINDS.map(|_| Samples::default());
        for run in 0..settings.runs {
            for ((_, kind), samples) in KINDS.iter().zip(&mut samples) {
                measure(*kind, size, count, run, samples);
            }
        }
        for ((name, kind), samples) in KINDS.iter().zip(&samples) {
            let ours = *kind == RingKind::default();
            let row = |what: &str| format!("{name}, {count} targets, {what}");
            let mut add = |what: &str, unit, values: &[f64], goal: Option<Goal>| match goal.filter(|_| ours) {
                Some(goal) => report.with_goal(&row(what), unit, values, goal),
                None => report.figure(&row(what), unit, values),
            };
            let build = match count {
                1_000 => Some(Goal::AtMost(10.0)),
                _ => None,
            };
            let removed = match count {
                300 => Some(Goal::AtMost(1.5)),
                1_000 => Some(Goal::AtMost(2.0)),
                _ => None,
            };
            add("build", "ms", &samples.build, build);
            add("greatest over mean share", "ratio", &samples.over, (count <= 1_000).then_some(Goal::AtMost(1.02)));
            add("least over mean share", "ratio", &samples.under, None);
            add("one removed, moved over least", "ratio", &samples.removed, removed);
            add("one added, moved over least", "ratio", &samples.added, None);
            add("one of double weight, moved over least", "ratio", &samples.heavier, None);
        }
    }
    Ok(())
}
