//! What the state learns from outside.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::TargetKey;

pub use crate::model::{Change, ChangeError};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The way to a target's address became known, changed or was lost.
    NextHop(IpAddr, Result<NextHop, NoNextHop>),
    /// A health check changed its mind about a target, or a target failed the first time.
    Health(HealthReport),
}

/// A target's health, as its checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not yet passed its first checks.
    Initial,
    /// Passing.
    Healthy,
    /// Failing.
    Unhealthy,
}

/// A change of a target's health; also, that one that is still `initial` has failed a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Which target.
    pub target: TargetKey,
    /// What it is now.
    pub health: Health,
    /// Why, for people: "2 of 2 checks failed: connection refused".
    pub reason: String,
}

/// The way to a target, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Egress interface.
    pub interface: u32,
    /// Its name.
    pub interface_name: String,
    /// Its MAC address.
    pub source_mac: [u8; 6],
    /// The address that the route prefers as source.
    pub source: IpAddr,
    /// The router in between, `None` when the target is on the link.
    pub gateway: Option<IpAddr>,
    /// MAC address of the target or the router.
    pub mac: [u8; 6],
    /// MTU of the route, or of the interface.
    pub mtu: u32,
}

/// Why there is no way to a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoNextHop {
    /// Not yet looked up.
    #[error("not resolved yet")]
    Pending,
    /// The kernel has no route there.
    #[error("no route to the target: add one, or see `ip route get`")]
    NoRoute,
    /// The route leads to an interface without MAC addresses, such as `lo` or a tunnel.
    #[error("the route leaves by `{interface}`, which is no Ethernet interface: targets must be on another host")]
    NotEthernet {
        /// Name of the interface.
        interface: String,
    },
    /// The route leads to a device that can't send XDP frames, such as a VLAN device or a bridge.
    #[error(
        "the route leaves by `{interface}`, a {device} device, which can't send XDP frames: route the target by a \
         physical interface, veth or bond, or set `agent.mode = \"generic\"`"
    )]
    NoXdpTransmit {
        /// Name of the interface.
        interface: String,
        /// Its kind: `vlan`, `bridge`, …
        device: String,
    },
    /// The target's address is one of the edge's own.
    #[error("the address is this edge's own: targets must be on another host")]
    OwnAddress,
    /// The address is a broadcast, multicast or anycast address.
    #[error("the address is a broadcast, multicast or anycast address: give the address of one host")]
    NotUnicast,
    /// The edge has no address of the target's family to send from.
    #[error("`{interface}` has no address of the target's family to send from: add one, or give the route a `src`")]
    NoSource {
        /// Name of the interface.
        interface: String,
    },
    /// The neighbour does not answer ARP or neighbour solicitation.
    #[error("`{neighbour}` on `{interface}` does not answer {protocol}: is it up, and on that network?")]
    NoNeighbour {
        /// Who should answer.
        neighbour: IpAddr,
        /// Where it was asked.
        interface: String,
        /// `ARP` or `ND`.
        protocol: String,
    },
    /// A router stands between the edge and a target that is to be on its segment.
    #[error(
        "it is reached by router {gateway}, and forwarding `l2` reaches none but the edge's own segment: connect the edge \
         to the target's, or use `ipip` or `gue`"
    )]
    BehindRouter {
        /// The router.
        gateway: IpAddr,
    },
    /// The egress interface is down.
    #[error("the egress interface `{interface}` is down")]
    InterfaceDown {
        /// Name of the interface.
        interface: String,
    },
}
