//! What is measured: who does the edge's work, the traffic, and what is held against what.

use super::lane::Work;
use super::pktgen::Stream;
use crate::balancer::Setup;
use crate::figure::Goal;

/// Targets of every balancer.
pub(super) const TARGETS: u32 = 100;

/// Frames of 64 bytes on a cable, and long ones.
const SHORT: u32 = 60;
const LONG: u32 = 1_400;

/// A way to do the edge's work.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) work: Work,
}

/// What is sent to each.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) stream: Stream,
}

/// A rate over another one, with the same traffic.
pub(super) struct Ratio {
    pub(super) of: &'static str,
    pub(super) over: &'static str,
    /// What the median should reach.
    pub(super) goal: Option<Goal>,
}

/// All ways. The listener is of UDP, which is all that pktgen sends.
pub(super) fn contestants() -> Vec<Contestant> {
    let contestant = |name, work| Contestant { name, work };
    let ours = Setup { protocol: "udp", targets: TARGETS, ..Setup::default() };
    vec![
        contestant("drop", Work::Drop),
        contestant("kernel's forwarding", Work::Forward),
        contestant("tunnel of constants", Work::Floor),
        contestant("IPVS", Work::Ipvs),
        contestant("ours", Work::Balance(ours)),
        contestant("ours, tracking all", Work::Balance(Setup { tracking: "all", ..ours })),
        contestant("ours, generic", Work::Balance(Setup { generic: true, ..ours })),
    ]
}

/// What is sent, by number of flows: who remembers them has seen no more than the row has. `quick`: not the most.
pub(super) fn rows(quick: bool) -> Vec<Row> {
    let row = |name, flows, frame| Row { name, stream: Stream { flows, frame, random: true } };
    let mut rows = vec![
        row("1 flow", 1, SHORT),
        row("1 k flows", 1 << 10, SHORT),
        row("64 k flows", 1 << 16, SHORT),
        row("64 k flows, 1,400 bytes", 1 << 16, LONG),
    ];
    if !quick {
        rows.push(row("1 M flows", 1 << 20, SHORT));
    }
    rows
}

/// What is held against what.
pub(super) fn ratios() -> Vec<Ratio> {
    let over = |of, over| Ratio { of, over, goal: None };
    vec![
        Ratio { of: "ours", over: "IPVS", goal: Some(Goal::AtLeast(3.0)) },
        over("ours, tracking all", "IPVS"),
        over("ours, generic", "IPVS"),
        over("ours", "tunnel of constants"),
        over("IPVS", "kernel's forwarding"),
    ]
}
