//! What is measured: a row for each protocol, family, way to forward and kind of tracking, and for what leaves the fast path.
//!
//! One flow whose packets are too big is soon told enough, and its packets are dropped; of a million each is told.

use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::tables::Target;

use super::packet::Kind;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    /// `XDP_PASS`.
    Bare,
    /// A tunnel of constants.
    Floor,
    /// The edge's.
    Edge,
}

/// A target's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Its address is an IPv6 one.
    pub(super) v6: bool,
    /// How packets travel to it, as its entry has it.
    pub(super) by: u8,
    /// It is reached by another interface than packets come in by.
    pub(super) redirect: bool,
    /// Bits of the outer source that vary by flow.
    pub(super) source_bits: u8,
    /// The longest packet that fits.
    pub(super) mtu: u16,
}

/// What stands in the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slots {
    /// A steady target, and no other.
    Steady,
    /// A steady target, and another that GUE names.
    Hinted,
    /// A change is in transition: the flow tables are asked, and each flow is remembered.
    Open,
    /// No change is in transition, but flows may be remembered.
    Pinned,
}

/// Whether a listener claims the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// One does.
    Yes,
    /// It is for a VIP, and a port that no listener has.
    NoPort,
    /// It is for an address that no listener has.
    Elsewhere,
    /// It is routed through, and a gateway takes it.
    Gateway,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) measured: Measured,
    pub(super) v6: bool,
    pub(super) kind: Kind,
    pub(super) way: Way,
    pub(super) slots: Slots,
    pub(super) tracking: Tracking,
    pub(super) affinity: Affinity,
    /// How many ports its listener has besides the packet's: 0 for a listener of one port.
    pub(super) more_ports: u16,
    /// Whether a listener claims the packet.
    pub(super) claimed: Claimed,
    /// Flows go to as many VIPs as this, a power of two.
    pub(super) vips: u32,
    /// Targets that flows go to.
    pub(super) targets: u32,
}

/// Targets of most rows.
pub(super) const MOST_TARGETS: u32 = 500;

pub(super) const IPIP: Way = Way { v6: false, by: Target::IPIP, redirect: false, source_bits: 0, mtu: 1_500 };
const IPIP_V6: Way = Way { v6: true, ..IPIP };
const GUE: Way = Way { by: Target::GUE, ..IPIP };
const GUE_V6: Way = Way { v6: true, ..GUE };
const L2: Way = Way { by: Target::L2, ..IPIP };
const NAT: Way = Way { by: Target::NAT, ..IPIP };
const NAT_SOURCE: Way = Way { by: Target::NAT_SOURCE, ..IPIP };
const GENEVE: Way = Way { by: Target::GENEVE, ..IPIP };
const GENEVE_V6: Way = Way { v6: true, ..GENEVE };

const V4: Row = Row {
    name: "",
    measured: Measured::Edge,
    v6: false,
    kind: Kind::Data,
    way: IPIP,
    slots: Slots::Steady,
    tracking: Tracking::Transition,
    affinity: Affinity::Flow,
    more_ports: 0,
    claimed: Claimed::Yes,
    vips: 1,
    targets: MOST_TARGETS,
};
const V6: Row = Row { v6: true, way: IPIP_V6, ..V4 };
const GATEWAY: Row = Row { way: GENEVE, claimed: Claimed::Gateway, ..V4 };
const TRANSLATED: Row = Row { slots: Slots::Pinned, tracking: Tracking::Translated, ..V4 };

/// All rows, in the order in which they are run and shown.
pub(super) const ROWS: &[Row] = &[
    Row { name: BARE, measured: Measured::Bare, ..V4 },
    Row { name: FLOOR_V4, measured: Measured::Floor, ..V4 },
    Row { name: FLOOR_V6, measured: Measured::Floor, ..V6 },
    Row { name: ALONE, ..V4 },
    Row { name: "v4 udp ipip", kind: Kind::Udp, ..V4 },
    Row { name: "v6 tcp ipip", ..V6 },
    Row { name: "v6 udp ipip", kind: Kind::Udp, ..V6 },
    Row { name: "v4 tcp ipip in v6", way: IPIP_V6, ..V4 },
    Row { name: "v6 tcp ipip in v4", way: IPIP, ..V6 },
    Row { name: "v4 tcp ipip, redirect", way: Way { redirect: true, ..IPIP }, ..V4 },
    Row { name: "v4 tcp ipip, varied source", way: Way { source_bits: 16, ..IPIP }, ..V4 },
    Row { name: MANY_LISTENERS, vips: 8_192, ..V4 },
    Row { name: "v4 tcp ipip, 10 targets", targets: 10, ..V4 },
    Row { name: "v4 tcp ipip, syn", kind: Kind::Syn, ..V4 },
    Row { name: "v4 tcp gue", way: GUE, ..V4 },
    Row { name: "v4 udp gue", way: GUE, kind: Kind::Udp, ..V4 },
    Row { name: "v6 tcp gue", way: GUE_V6, ..V6 },
    Row { name: "v4 tcp gue, naming the second", way: GUE, slots: Slots::Hinted, ..V4 },
    Row { name: "v6 tcp gue, naming the second", way: GUE_V6, slots: Slots::Hinted, ..V6 },
    Row { name: "v4 tcp l2", way: L2, ..V4 },
    Row { name: "v6 tcp l2", way: L2, ..V6 },
    Row { name: "v4 tcp nat", way: NAT, ..TRANSLATED },
    Row { name: "v4 udp nat", way: NAT, kind: Kind::Udp, ..TRANSLATED },
    Row { name: "v6 tcp nat", v6: true, way: Way { v6: true, ..NAT }, ..TRANSLATED },
    Row { name: "v4 tcp nat, from the edge", way: NAT_SOURCE, ..TRANSLATED },
    Row { name: "v4 tcp nat into v6", way: Way { v6: true, ..NAT_SOURCE }, ..TRANSLATED },
    Row { name: "v6 tcp nat into v4", v6: true, way: NAT_SOURCE, ..TRANSLATED },
    Row { name: "v4 tcp geneve, through a gateway", ..GATEWAY },
    Row { name: "v6 tcp geneve, through a gateway", v6: true, way: GENEVE_V6, ..GATEWAY },
    Row { name: "v4 tcp geneve, tracking all", slots: Slots::Pinned, tracking: Tracking::All, ..GATEWAY },
    Row { name: "v4 udp geneve, by source_ip_dest_ip", kind: Kind::Udp, affinity: Affinity::SourceIpDestIp, ..GATEWAY },
    Row { name: "v4 tcp, pinned flow", slots: Slots::Open, ..V4 },
    Row { name: "v6 tcp, pinned flow", slots: Slots::Open, ..V6 },
    Row { name: "v4 tcp, slot with pins, flow without", slots: Slots::Pinned, ..V4 },
    Row { name: "v4 tcp syn, slot in transition", kind: Kind::Syn, slots: Slots::Open, ..V4 },
    Row { name: "v4 tcp, tracking all", slots: Slots::Pinned, tracking: Tracking::All, ..V4 },
    Row { name: "v4 udp, tracking all", kind: Kind::Udp, slots: Slots::Pinned, tracking: Tracking::All, ..V4 },
    Row {
        name: "v4 udp, tracking none, slot in transition",
        kind: Kind::Udp,
        slots: Slots::Open,
        tracking: Tracking::None,
        ..V4
    },
    Row { name: "v4 udp quic, short header", kind: Kind::Quic, tracking: Tracking::None, ..V4 },
    Row { name: "v6 udp quic, short header", kind: Kind::Quic, tracking: Tracking::None, ..V6 },
    Row { name: "v4 echo request", kind: Kind::Echo, ..V4 },
    Row { name: "v6 echo request", kind: Kind::Echo, ..V6 },
    Row { name: "v4 error about a flow", kind: Kind::Error, ..V4 },
    Row { name: "v6 error about a flow", kind: Kind::Error, ..V6 },
    Row { name: "v4 first fragment", kind: Kind::FirstFragment, ..V4 },
    Row { name: "v4 later fragment", kind: Kind::LaterFragment, ..V4 },
    Row { name: "v4 tcp, too big", kind: Kind::TooBig, way: Way { mtu: 300, ..IPIP }, ..V4 },
    Row { name: "v6 tcp, too big", kind: Kind::TooBig, way: Way { mtu: 300, ..IPIP_V6 }, ..V6 },
    Row { name: "v4 tcp, not ours", claimed: Claimed::Elsewhere, ..V4 },
    Row { name: "v6 tcp, not ours", claimed: Claimed::Elsewhere, ..V6 },
    Row { name: "v4 tcp, port without listener", claimed: Claimed::NoPort, ..V4 },
    Row { name: "v6 tcp, port without listener", claimed: Claimed::NoPort, ..V6 },
    Row { name: "v4 tcp ipip, by source_ip", affinity: Affinity::SourceIp, ..V4 },
    Row { name: "v6 tcp ipip, by source_ip", affinity: Affinity::SourceIp, ..V6 },
    Row { name: "v4 tcp ipip, by source_ip_port", affinity: Affinity::SourceIpPort, ..V4 },
    Row { name: "v4 tcp ipip, by source_subnet", affinity: Affinity::SourceSubnet, ..V4 },
    // The last ones: no row after them has a port that their listeners take.
    Row { name: "v4 tcp ipip, narrowest of 64 ranges", more_ports: FILLING_PORTS - 1, ..V4 },
    Row { name: "v4 tcp ipip, widest of 64 ranges", more_ports: FILLING_PORTS + 1, ..V4 },
];

/// Ports, less one, of the ranges that fill the list between the narrowest and the widest.
pub(super) const FILLING_PORTS: u16 = 2;

/// The loop and the program before the measured one.
pub(super) const BARE: &str = "bare";
/// The floors.
pub(super) const FLOOR_V4: &str = "floor v4";
pub(super) const FLOOR_V6: &str = "floor v6";
/// The fast path.
pub(super) const ALONE: &str = "v4 tcp ipip";
/// The same with as many listeners of one port.
pub(super) const MANY_LISTENERS: &str = "v4 tcp ipip, 8,192 of 10 k listeners";
