//! The joint proof: the agent's real state and the real program live through random histories, and no live flow on a live
//! target ever moves.
//!
//! `NLB_HISTORIES` sets how many histories there are.

use std::cell::RefCell;

use nlb_tests::packets::Segment;
use nlb_tests::prove::edge::{SEED, Settings};
use nlb_tests::prove::history::{EDGES, FLOWS, Step, TARGETS, live};
use nlb_tests::prove::tables::Loaded;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

/// How many histories there are unless it is said.
const HISTORIES: u32 = 10_000;

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

#[test]
fn no_live_flow_on_a_live_target_ever_moves() {
    let cases =
        std::env::var("NLB_HISTORIES").map_or(HISTORIES, |text| text.parse().expect("NLB_HISTORIES is a number"));
    let loaded: Vec<Loaded> = (0..EDGES).map(|_| Loaded::new(SEED).expect("this needs root")).collect();
    let loaded = RefCell::new(loaded);
    let history = (settings(), prop::collection::vec(step(), 1..60));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let lived = runner.run(&history, |(settings, history)| {
        live(&mut loaded.borrow_mut(), &settings, &history).map_err(TestCaseError::fail)
    });
    match lived {
        Ok(()) => {}
        Err(TestError::Fail(reason, (settings, history))) => panic!("{reason}\n{settings:?}\n{history:?}"),
        Err(error @ TestError::Abort(_)) => panic!("{error}"),
    }
}

/// Histories that broke once.
#[test]
fn what_broke_once_holds() {
    let mut loaded: Vec<Loaded> = (0..EDGES).map(|_| Loaded::new(SEED).expect("this needs root")).collect();
    let tcp = Settings { tcp: true, gue: false, all: false, cut: false, delay: 30, targets: 2 };
    let udp = Settings { tcp: false, all: true, delay: 0, targets: 3, ..tcp };
    let datagram = |flow| Step::Packet(flow, Segment::Syn);
    let cases: [(&str, Settings, &[Step]); 2] = [
        (
            "a target drains while a handshake with it is under way",
            tcp,
            &[Step::Add(6), Step::Packet(10, Segment::Syn), Step::Remove(6), Step::Wait(20)],
        ),
        (
            "a flow is pinned anew between two batches of a sweep that found its old pin to be over",
            udp,
            &[
                datagram(10),
                datagram(7),
                datagram(8),
                datagram(0),
                Step::Kill(1),
                Step::Wait(7),
                Step::Weight(3, 400),
                Step::Wait(60),
                datagram(10),
                Step::Weight(3, 0),
                Step::Wait(1),
            ],
        ),
    ];
    for (name, settings, history) in cases {
        live(&mut loaded, &settings, history).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    }
}
