//! What histories are made of, and how often.

use nlb_tests::packets::Segment;
use nlb_tests::prove::edge::Settings;
use nlb_tests::prove::history::{EDGES, FLOWS, Step, TARGETS};
use proptest::prelude::*;

/// The most steps of a history.
const STEPS: usize = 60;

/// Any history.
pub(crate) fn history() -> impl Strategy<Value = (Settings, Vec<Step>)> {
    (settings(), prop::collection::vec(step(), 1..STEPS))
}

fn step() -> impl Strategy<Value = Step> {
    let segment = prop_oneof![
        5 => Just(Segment::Syn),
        8 => Just(Segment::Data),
        1 => Just(Segment::Fin),
        1 => Just(Segment::Rst),
    ];
    let flow = || 0..FLOWS;
    let target = || 1..=TARGETS;
    let edge = || 0..EDGES;
    let seconds = prop_oneof![1_u32..10, 10_u32..70, 70_u32..200];
    let weight = prop::sample::select(vec![0_u16, 1, 50, 100, 400]);
    prop_oneof![
        24 => (flow(), segment).prop_map(|(flow, segment)| Step::Packet(flow, segment)),
        3 => flow().prop_map(Step::Move),
        8 => seconds.prop_map(Step::Wait),
        2 => target().prop_map(Step::Kill),
        2 => target().prop_map(Step::Revive),
        2 => target().prop_map(Step::Drain),
        2 => target().prop_map(Step::Undrain),
        2 => target().prop_map(Step::Remove),
        4 => target().prop_map(Step::Add),
        3 => (target(), weight).prop_map(|(target, weight)| Step::Weight(target, weight)),
        1 => edge().prop_map(Step::Restart),
        1 => (edge(), 0_usize..6).prop_map(|(edge, writes)| Step::Crash(edge, writes)),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let kind = prop::sample::select(vec![(true, false), (true, false), (true, true), (false, true)]);
    let delay = prop::sample::select(vec![0_u32, 30, 120, 300]);
    (kind, any::<bool>(), any::<bool>(), delay, 2_u8..5).prop_map(|((tcp, all), gue, cut, delay, targets)| Settings {
        tcp,
        gue,
        all,
        cut,
        delay,
        targets,
    })
}
