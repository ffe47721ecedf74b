//! The joint proof: the agent's real state and the real program live through random histories, and no live flow on a live
//! target ever moves.
//!
//! `NLB_HISTORIES` sets how many histories there are, `NLB_SEED` which ones: each run has others unless it says so, and
//! prints the seed.

mod campaign;
mod strategy;

use nlb_tests::campaign::Campaign;
use nlb_tests::packets::Segment;
use nlb_tests::prove::edge::Settings;
use nlb_tests::prove::history::{Step, live};

use campaign::live_through;

#[test]
fn no_live_flow_on_a_live_target_ever_moves() {
    let campaign = Campaign::from_environment(campaign::PLAN);
    println!("{campaign}");
    if let Err(broken) = campaign.run(campaign::edges, |edges, portion, broke| live_through(edges, portion, broke)) {
        panic!("{broken}");
    }
}

/// Histories that broke once.
#[test]
fn what_broke_once_holds() {
    let mut loaded = campaign::edges();
    let tcp = Settings { tcp: true, gue: false, all: false, cut: false, delay: 30, targets: 2 };
    let udp = Settings { tcp: false, all: true, delay: 0, targets: 3, ..tcp };
    let tcp_all = Settings { all: true, delay: 120, targets: 3, ..tcp };
    let first = |flow| Step::Packet(flow, Segment::Syn);
    let cases: [(&str, Settings, &[Step]); 3] = [
        (
            "a target drains while a handshake with it is under way",
            tcp,
            &[Step::Add(6), Step::Packet(10, Segment::Syn), Step::Remove(6), Step::Wait(20)],
        ),
        (
            "a flow is pinned anew between two batches of a sweep that found its old pin to be over",
            udp,
            &[
                first(10),
                first(7),
                first(8),
                first(0),
                Step::Kill(1),
                Step::Wait(7),
                Step::Weight(3, 400),
                Step::Wait(60),
                first(10),
                Step::Weight(3, 0),
                Step::Wait(1),
            ],
        ),
        (
            "a sweep that began before the last slot of a draining target closed misses a flow that comes meanwhile",
            tcp_all,
            &[
                Step::Wait(193),
                first(6),
                Step::Wait(3),
                Step::Remove(3),
                Step::Wait(38),
                Step::Wait(1),
                Step::Wait(22),
                Step::Wait(3),
                Step::Move(6),
            ],
        ),
    ];
    for (name, settings, history) in cases {
        live(&mut loaded, &settings, history).unwrap_or_else(|broken| panic!("{name}: {broken}"));
    }
}
