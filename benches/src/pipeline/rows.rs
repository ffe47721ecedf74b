//! What is measured: lanes, the traffic into each, and which rows are held against each other.

use std::net::SocketAddr;

use nlb_tests::generator::{Kind, Sizes, Traffic};

use super::lane::{Arms, Floor, Work};
use crate::balancer::{PORT, Setup, VIP_V4, VIP_V6};
use crate::figure::Goal;

/// A lane, and what is sent into it, turn by turn.
pub(super) struct LaneRows {
    pub(super) work: Work,
    pub(super) arms: Arms,
    pub(super) rows: Vec<Row>,
}

/// Traffic, and what its rate is called.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) traffic: Traffic,
}

/// A rate over another one.
pub(super) struct Ratio {
    pub(super) of: &'static str,
    pub(super) over: &'static str,
    /// What the median should reach.
    pub(super) goal: Option<Goal>,
}

fn row(name: &'static str, traffic: Traffic) -> Row {
    Row { name, traffic }
}

fn v4() -> Traffic {
    Traffic::to(SocketAddr::new(VIP_V4.into(), PORT))
}

fn flows(flows: u64) -> Traffic {
    Traffic { flows, ..v4() }
}

/// SYNs from any of 2^24 addresses and 256 ports.
fn flood() -> Traffic {
    Traffic { kind: Kind::Syn, ..flows(1 << 32) }
}

fn mixed() -> Traffic {
    Traffic { sizes: Sizes::Mixed, ..v4() }
}

fn v6() -> Traffic {
    Traffic::to(SocketAddr::new(VIP_V6.into(), PORT))
}

/// All lanes. Packets are TCP in Ethernet frames of 64 bytes and belong to open connections, if nothing else is said.
pub(super) fn lanes() -> Vec<LaneRows> {
    let lane = |work, arms, rows| LaneRows { work, arms, rows };
    let ours = |setup| Work::Balance(setup);
    vec![
        lane(Work::Drop, Arms::One, vec![row("drop at the edge", v4())]),
        lane(Work::Floor(Floor::V4), Arms::One, vec![row("floor", v4()), row("floor, mixed sizes", mixed())]),
        lane(Work::Floor(Floor::Reading), Arms::One, vec![row("floor that reads", v4())]),
        lane(Work::Floor(Floor::V4), Arms::Two, vec![row("floor, two-armed", v4())]),
        lane(Work::Floor(Floor::V6), Arms::One, vec![row("floor, IPv6", v6())]),
        lane(
            ours(Setup::default()),
            Arms::One,
            vec![
                row("1 flow", v4()),
                row("1 k flows", flows(1 << 10)),
                row("64 k flows", flows(1 << 16)),
                row("1 M flows", flows(1 << 20)),
                row("16 M flows", flows(1 << 24)),
                row("SYN flood", flood()),
                row("mixed sizes", mixed()),
            ],
        ),
        lane(ours(Setup::default()), Arms::Two, vec![row("1 flow, two-armed", v4())]),
        lane(
            ours(Setup { listeners: 10_000, ..Setup::default() }),
            Arms::One,
            vec![row("10 k listeners, 64 k flows to all", Traffic { destinations: 10_000, ..flows(1 << 16) })],
        ),
        lane(
            ours(Setup { targets: 10_000, ..Setup::default() }),
            Arms::One,
            vec![row("10 k targets, 64 k flows", flows(1 << 16))],
        ),
        lane(
            ours(Setup { leaving: 10, ..Setup::default() }),
            Arms::One,
            vec![
                row("a tenth in transition, 64 k flows", flows(1 << 16)),
                row("a tenth in transition, SYN flood", flood()),
            ],
        ),
        lane(
            ours(Setup { tracking: "all", ..Setup::default() }),
            Arms::One,
            vec![
                row("tracking all, 1 flow", v4()),
                row("tracking all, 64 k flows", flows(1 << 16)),
                row("tracking all, 1 M flows", flows(1 << 20)),
            ],
        ),
        lane(ours(Setup { forwarding: "gue", ..Setup::default() }), Arms::One, vec![row("GUE, 1 flow", v4())]),
        lane(ours(Setup { v6: true, ..Setup::default() }), Arms::One, vec![row("IPv6, 1 flow", v6())]),
    ]
}

/// What is held against what.
pub(super) fn ratios() -> Vec<Ratio> {
    let over = |of, over| Ratio { of, over, goal: None };
    let goal = |of, over, least| Ratio { of, over, goal: Some(Goal::AtLeast(least)) };
    vec![
        goal("1 flow", "floor", 0.90),
        over("1 flow", "floor that reads"),
        over("1 flow, two-armed", "floor, two-armed"),
        over("IPv6, 1 flow", "floor, IPv6"),
        over("mixed sizes", "floor, mixed sizes"),
        goal("16 M flows", "1 flow", 0.95),
        goal("SYN flood", "1 flow", 0.95),
        goal("10 k listeners, 64 k flows to all", "64 k flows", 0.95),
        over("10 k targets, 64 k flows", "64 k flows"),
        over("a tenth in transition, 64 k flows", "64 k flows"),
        over("a tenth in transition, SYN flood", "SYN flood"),
        over("tracking all, 1 flow", "1 flow"),
        over("tracking all, 64 k flows", "64 k flows"),
        over("tracking all, 1 M flows", "1 M flows"),
        over("GUE, 1 flow", "1 flow"),
    ]
}
