//! Target groups.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{FlowRules, FlowSettings, HealthCheck, Name, Target, TargetKey, Tracking, Traffic};

/// Which part of a flow decides its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// The 5-tuple.
    #[default]
    Flow,
    /// The client's address alone.
    SourceIp,
    /// The client's address and the port that it asks for.
    SourceIpPort,
    /// The client's network: /24 of IPv4, /64 of IPv6.
    SourceSubnet,
    /// Behind a gateway: both addresses.
    SourceIpDestIp,
    /// Behind a gateway: both addresses and the protocol.
    SourceIpDestIpProto,
}

impl Affinity {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Flow,
        Self::SourceIp,
        Self::SourceIpPort,
        Self::SourceSubnet,
        Self::SourceIpDestIp,
        Self::SourceIpDestIpProto,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::SourceIp => "source_ip",
            Self::SourceIpPort => "source_ip_port",
            Self::SourceSubnet => "source_subnet",
            Self::SourceIpDestIp => "source_ip_dest_ip",
            Self::SourceIpDestIpProto => "source_ip_dest_ip_proto",
        }
    }

    /// Whether it goes with that forwarding: a gateway's must be the same for both directions of a flow, and an address of a
    /// listener's says nothing of its flows.
    pub const fn goes_with(self, forwarding: Forwarding) -> bool {
        match self {
            Self::Flow => true,
            Self::SourceIp | Self::SourceIpPort | Self::SourceSubnet => !matches!(forwarding, Forwarding::Geneve),
            Self::SourceIpDestIp | Self::SourceIpDestIpProto => matches!(forwarding, Forwarding::Geneve),
        }
    }

    /// What decides a flow's target, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Flow => "`flow`: the 5-tuple",
            Self::SourceIp => "`source_ip`: the client's address alone",
            Self::SourceIpPort => "`source_ip_port`: the client's address and the listener's port",
            Self::SourceSubnet => "`source_subnet`: the client's network, /24 of IPv4 or /64 of IPv6",
            Self::SourceIpDestIp => "`source_ip_dest_ip`: both addresses",
            Self::SourceIpDestIpProto => "`source_ip_dest_ip_proto`: both addresses and the protocol",
        }
    }
}

impl From<Affinity> for nlb_common::hash::Affinity {
    fn from(affinity: Affinity) -> Self {
        match affinity {
            Affinity::Flow => Self::Flow,
            Affinity::SourceIp => Self::SourceIp,
            Affinity::SourceIpPort => Self::SourceIpPort,
            Affinity::SourceSubnet => Self::SourceSubnet,
            Affinity::SourceIpDestIp => Self::SourceIpDestIp,
            Affinity::SourceIpDestIpProto => Self::SourceIpDestIpProto,
        }
    }
}

/// How packets travel to the group's targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwarding {
    /// IPv4 or IPv6 in IPv4 or IPv6 (RFC 2003, RFC 4213, RFC 2473).
    #[default]
    Ipip,
    /// Generic UDP encapsulation (draft-ietf-intarea-gue) of and in either family, with a second chance for TCP.
    Gue,
    /// As they are, in a frame to the target's MAC address: targets are on the edge's own segment.
    L2,
    /// Translated: to the target's own address and port. The answers come back through the edge.
    Nat {
        /// Whether they come from an address and port of the edge's own; otherwise from the client's, and the edge is the
        /// targets' router.
        source: bool,
    },
    /// By GENEVE (RFC 8926), to appliances that send what they let pass back to the edge: for gateways.
    Geneve,
}

impl Forwarding {
    /// Every way, by its name in the configuration.
    pub const NAMES: [(&str, Self); 5] = [
        ("ipip", Self::Ipip),
        ("gue", Self::Gue),
        ("l2", Self::L2),
        ("nat", Self::Nat { source: false }),
        ("geneve", Self::Geneve),
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::L2 => "l2",
            Self::Nat { .. } => "nat",
            Self::Geneve => "geneve",
        }
    }

    /// The way of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, forwarding)| forwarding)
    }

    /// Whether packets travel within another one, which is addressed to the target.
    pub const fn is_tunnel(self) -> bool {
        match self {
            Self::Ipip | Self::Gue | Self::Geneve => true,
            Self::L2 | Self::Nat { .. } => false,
        }
    }

    /// The bytes by which a packet to `target` is at most longer than the client's.
    pub const fn overhead(self, target: IpAddr) -> u32 {
        match (self, target) {
            (Self::Ipip, IpAddr::V4(_)) => 20,
            (Self::Ipip, IpAddr::V6(_)) => 40,
            (Self::Gue, IpAddr::V4(_)) => 40,
            (Self::Gue, IpAddr::V6(_)) => 72,
            (Self::Geneve, IpAddr::V4(_)) => 68,
            (Self::Geneve, IpAddr::V6(_)) => 88,
            (Self::L2 | Self::Nat { .. }, _) => 0,
        }
    }

    /// The MTU that a way to `target` needs for a packet of so many bytes to listener `vip`.
    pub const fn needed(self, length: u32, vip: IpAddr, target: IpAddr) -> u32 {
        match (self, vip, target) {
            (Self::Nat { .. }, IpAddr::V4(_), IpAddr::V6(_)) => length.saturating_add(20),
            (Self::Nat { .. }, IpAddr::V6(_), IpAddr::V4(_)) => length.saturating_sub(20),
            _ => length.saturating_add(self.overhead(target)),
        }
    }

    /// Whether `target` can answer the clients of listener `vip`. Who gets packets of another family can't answer the client's own
    /// address.
    pub const fn can_answer(self, vip: IpAddr, target: IpAddr) -> bool {
        !matches!(self, Self::Nat { source: false }) || vip.is_ipv4() == target.is_ipv4()
    }

    /// What to do where a target can't answer.
    pub fn help_to_answer(vip: IpAddr) -> String {
        let family = if vip.is_ipv4() { "IPv4" } else { "IPv6" };
        format!(
            "it can't answer the client's own address: set `source_nat = true`, so that it answers to the edge's, give the target's \
             {family} address, or use `ipip` or `gue`"
        )
    }

    /// The longest packet to listener `vip` that fits a way of `mtu` bytes to `target`: one that is translated into the other
    /// family changes its header for that one's.
    pub const fn room(self, mtu: u32, vip: IpAddr, target: IpAddr) -> u32 {
        match (self, vip, target) {
            (Self::Nat { .. }, IpAddr::V4(_), IpAddr::V6(_)) => mtu.saturating_sub(20),
            (Self::Nat { .. }, IpAddr::V6(_), IpAddr::V4(_)) => mtu.saturating_add(20),
            _ => mtu.saturating_sub(self.overhead(target)),
        }
    }
}

/// How slots are shared out among targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingKind {
    /// Rendezvous hashing with bounded shares: a change of targets moves little more than it must.
    #[default]
    Rendezvous,
    /// Maglev: shares of equal targets differ by one slot at most.
    Maglev,
}

/// Number of slots of a ring: a power of two, 256 to 1,048,576; 65,536 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct RingSize(u32);

impl RingSize {
    /// The smallest ring.
    pub const MIN: u32 = 256;
    /// The largest ring.
    pub const MAX: u32 = 1 << 20;

    /// A ring of `slots`, or `None` when it is no power of two or out of range.
    pub const fn new(slots: u32) -> Option<Self> {
        if slots.is_power_of_two() && slots >= Self::MIN && slots <= Self::MAX { Some(Self(slots)) } else { None }
    }

    /// Every size, the smallest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..u32::BITS).filter_map(|bits| Self::new(1 << bits))
    }

    /// Number of slots.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for RingSize {
    fn default() -> Self {
        Self(1 << 16)
    }
}

impl TryFrom<u32> for RingSize {
    type Error = String;

    fn try_from(slots: u32) -> Result<Self, String> {
        Self::new(slots)
            .ok_or_else(|| format!("ring size {slots} is not a power of two from {} to {}", Self::MIN, Self::MAX))
    }
}

impl From<RingSize> for u32 {
    fn from(size: RingSize) -> Self {
        size.0
    }
}

/// A set of targets that serve the same listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Unique among groups.
    pub name: Name,
    /// How packets travel to the targets.
    pub forwarding: Forwarding,
    /// Which part of a flow decides its target.
    pub affinity: Affinity,
    /// How slots are shared out.
    pub ring: RingKind,
    /// Number of slots of the group's ring.
    pub ring_size: RingSize,
    /// Whether targets of other zones get traffic while this edge's own zone has healthy ones.
    pub cross_zone: bool,
    /// How long flows live, and what becomes of those of a target that goes.
    pub flows: FlowSettings,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// The targets; no two share address and port.
    pub targets: Vec<Target>,
}

impl TargetGroup {
    /// The name of one of this group's targets.
    pub fn key(&self, target: &Target) -> TargetKey {
        TargetKey { group: self.name.clone(), address: target.address, port: target.port }
    }

    /// The settings in force of its flows, with listeners of this `traffic`. What is translated is remembered.
    pub fn rules(&self, traffic: impl IntoIterator<Item = Traffic>) -> FlowRules {
        let rules = self.flows.in_force(traffic);
        match self.forwarding {
            Forwarding::Nat { .. } => FlowRules { tracking: Tracking::All, ..rules },
            Forwarding::Ipip | Forwarding::Gue | Forwarding::L2 | Forwarding::Geneve => rules,
        }
    }
}
