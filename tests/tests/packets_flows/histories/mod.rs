//! Random histories of flows and changes: a live flow on a live target never moves.
//!
//! [`Agent`] changes slots and targets by the rules of a transition, [`Oracle`] knows only what clients see: which target a
//! flow talks to, and whether the flow and the target live. Neither looks at what the other knows, nor the oracle at a pin.
//!
//! `NLB_HISTORIES` sets how many histories there are, 2,000 unless it says otherwise.

mod agent;
mod oracle;

use std::cell::RefCell;

use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::{Action, Ran};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use crate::new_world;
use agent::Agent;
use oracle::{Oracle, Outcome};

/// Slots: the first half is the ring of TCP's group, the second that of UDP's.
const SLOTS: usize = 4;
const TARGETS: u32 = 4;
/// Flows: the first ones are TCP, the others UDP.
const FLOWS: usize = 20;
const TCP_FLOWS: usize = 14;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client of a flow sends.
    Packet(usize, Segment),
    /// The client of a flow falls silent for longer than any timeout.
    Silence(usize),
    /// The ring gives a slot another target.
    Current(usize, u32),
    /// A slot's transition ends, the idle timeout after its begin.
    Close(usize),
    /// The flow tables are swept for a slot's pins.
    Sweep(usize),
    /// A target gets no new flows.
    Drain(u32),
    /// A draining target's flows are over.
    Reset(u32),
    /// A draining target goes, and its number is free.
    Remove(u32),
    /// A free number becomes a new target's.
    Add(u32),
    /// A target is found dead.
    Kill(u32),
    /// A dead target is found alive.
    Revive(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let tcp = prop_oneof![
        3 => Just(Segment::Syn),
        6 => Just(Segment::Data),
        1 => Just(Segment::Fin),
        1 => Just(Segment::Rst),
    ];
    let slot = || 0..SLOTS;
    let target = || 1..=TARGETS;
    prop_oneof![
        20 => (0..TCP_FLOWS, tcp).prop_map(|(flow, segment)| Step::Packet(flow, segment)),
        8 => (TCP_FLOWS..FLOWS).prop_map(|flow| Step::Packet(flow, Segment::Udp)),
        1 => (0..FLOWS).prop_map(Step::Silence),
        8 => (slot(), target()).prop_map(|(slot, target)| Step::Current(slot, target)),
        5 => slot().prop_map(Step::Close),
        5 => slot().prop_map(Step::Sweep),
        2 => target().prop_map(Step::Drain),
        1 => target().prop_map(Step::Reset),
        2 => target().prop_map(Step::Remove),
        3 => target().prop_map(Step::Add),
        1 => target().prop_map(Step::Kill),
        2 => target().prop_map(Step::Revive),
    ]
}

/// The packets of a flow.
fn packet(flow: usize, segment: Segment) -> Described {
    let group = if flow < TCP_FLOWS { 1 } else { 2 };
    let mut packet = Described::new(VIPS[flow % 2].parse().unwrap(), port(group), segment);
    packet.source.1 = 1_000 + u16::try_from(flow).unwrap();
    packet.payload = 1;
    packet
}

/// The slot of each flow.
fn slots_of(world: &World) -> [usize; FLOWS] {
    std::array::from_fn(|flow| {
        let tcp = flow < TCP_FLOWS;
        let packet = packet(flow, if tcp { Segment::Data } else { Segment::Udp });
        let hash = world.edge.keys.hash(&packet.flow(), Affinity::Flow);
        let half = SLOTS / 2;
        usize::try_from(hash % half as u64).unwrap() + if tcp { 0 } else { half }
    })
}

/// What the client or a target sees of a packet that was run. The targets' addresses end in their numbers.
fn outcome(ran: &Ran) -> Outcome {
    const IP: usize = 14;
    match ran.action {
        Action::Tx if ran.packet[12..IP] == [8, 0] && [4, 41].contains(&ran.packet[IP + 9]) => {
            Outcome::Target(ran.packet[IP + 19].into())
        }
        Action::Tx => Outcome::Reset,
        Action::Drop => Outcome::Dropped,
        action => panic!("{action:?}"),
    }
}

fn holds(world: &mut World, slots: &[usize; FLOWS], tracking: [Tracking; 2], history: &[Step]) -> TestCaseResult {
    let mut agent = Agent::new(&mut world.edge, tracking);
    let mut oracle = Oracle::new();
    for (time, &step) in (1..).zip(history) {
        match step {
            Step::Packet(flow, segment) => {
                let ran = agent.edge().run(&packet(flow, segment).frame()).unwrap();
                let opened = agent.in_transition_since(slots[flow]);
                if let Err(broken) = oracle.sent((flow, segment), outcome(&ran), agent.targets(), opened, time) {
                    let slot = agent.slot(slots[flow]);
                    return Err(TestCaseError::fail(format!("step {time}, {step:?}, {slot:?}: {broken}")));
                }
            }
            Step::Silence(flow) => oracle.ended(|other, _| other == flow),
            Step::Current(slot, target) => agent.set_current(slot, target, time),
            Step::Close(slot) => {
                if let Some(opened) = agent.close(slot) {
                    oracle.ended(|flow, live| slots[flow] == slot && live.seen < opened);
                }
            }
            Step::Sweep(slot) => {
                // A sweep begins long enough after the close for every handshake of before to be over.
                oracle.ended(|flow, live| slots[flow] == slot && live.half_open);
                let lives = |number: usize| oracle.lives(number);
                agent.sweep(slot, |flow| (0..FLOWS).any(|number| lives(number) && is_of(number, flow)));
            }
            Step::Drain(target) => agent.drain(target, time),
            Step::Reset(target) => agent.reset(target),
            Step::Remove(target) => {
                if agent.remove(target) {
                    oracle.ended(|_, live| live.target == target);
                }
            }
            Step::Add(target) => agent.add(target),
            Step::Kill(target) => {
                if agent.kill(target, time) {
                    oracle.ended(|_, live| live.target == target);
                }
            }
            Step::Revive(target) => agent.revive(target),
        }
    }
    Ok(())
}

fn is_of(number: usize, flow: &nlb_common::hash::Flow) -> bool {
    packet(number, if number < TCP_FLOWS { Segment::Data } else { Segment::Udp }).flow() == *flow
}

#[test]
fn a_live_flow_on_a_live_target_never_moves() {
    let cases = std::env::var("NLB_HISTORIES").map_or(2_000, |text| text.parse().expect("NLB_HISTORIES is a number"));
    let world = new_world();
    let slots = slots_of(&world);
    let used = |range: std::ops::Range<usize>| {
        range.into_iter().map(|flow| slots[flow]).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(used(0..FLOWS).len(), SLOTS, "each slot has flows");
    let world = RefCell::new(world);
    let tracking = || prop_oneof![Just(Tracking::Transition), Just(Tracking::All)];
    let history = (tracking(), tracking(), prop::collection::vec(step(), 1..=120));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&history, |(tcp, udp, history)| holds(&mut world.borrow_mut(), &slots, [tcp, udp], &history))
        .unwrap_or_else(|error| panic!("{error}"));
}
