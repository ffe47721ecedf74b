//! What is worth a line in the log: each change of state once, with its reason.

use std::fmt;
use std::net::IpAddr;

use super::event::{Health, NextHop, NoNextHop};
use super::snapshot::{RingChange, Routing};
use crate::model::{Name, QuicServerId, TargetKey};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A target's health.
    Health {
        /// Which target.
        target: TargetKey,
        /// What it was.
        before: Health,
        /// What it is.
        now: Health,
        /// Why.
        reason: String,
    },
    /// A target that is still at its first checks has failed one.
    FirstFailure {
        /// Which target.
        target: TargetKey,
        /// How.
        reason: String,
    },
    /// The way to a target's address.
    NextHop {
        /// The address.
        address: IpAddr,
        /// The way, or why there is none.
        way: Result<NextHop, NoNextHop>,
    },
    /// Which targets of a group get new flows.
    Routing {
        /// Which group.
        group: Name,
        /// What it was.
        before: Routing,
        /// What it is.
        now: Routing,
    },
    /// A group's ring.
    Ring {
        /// Which group.
        group: Name,
        /// What moved.
        change: RingChange,
        /// Targets that hold slots now.
        targets: usize,
    },
    /// The ring of a listener that groups share.
    ListenerRing {
        /// Which listener.
        listener: Name,
        /// What moved.
        change: RingChange,
    },
    /// The drain of a target that is registered no longer is over: it is gone.
    Drained {
        /// Which target.
        target: TargetKey,
    },
    /// QUIC's connection ids can't tell a target from another: none names it.
    SameServerId {
        /// Which target.
        target: TargetKey,
        /// Its server id.
        id: QuicServerId,
        /// Whom the id names.
        other: TargetKey,
    },
    /// Something has no place in the tables and gets no traffic.
    Full {
        /// `listeners`, `groups`, `targets` or `slots`.
        what: &'static str,
        /// Who found no place.
        name: String,
    },
}

impl Notice {
    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Health { now, .. } => *now == Health::Unhealthy,
            Self::NextHop { way, .. } => way.is_err(),
            Self::Routing { now, .. } => *now != Routing::Healthy,
            Self::FirstFailure { .. } | Self::Ring { .. } | Self::ListenerRing { .. } | Self::Drained { .. } => false,
            Self::Full { .. } | Self::SameServerId { .. } => true,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Health { target, before, now, reason } => write!(f, "target {target}: {before} → {now}: {reason}"),
            Self::FirstFailure { target, reason } => write!(f, "target {target}: {}: {reason}", Health::Initial),
            Self::NextHop { address, way: Ok(hop) } => {
                write!(f, "target address {address}: reached by {}", hop.interface_name)?;
                match hop.gateway {
                    Some(gateway) => write!(f, " over {gateway}"),
                    None => write!(f, " on the link"),
                }
            }
            Self::NextHop { address, way: Err(error) } => write!(f, "target address {address}: {error}"),
            Self::Routing { group, before, now } => {
                write!(f, "group {group}: traffic goes to {now}, before to {before}")
            }
            Self::Ring { group, change, targets } => write!(
                f,
                "group {group}: {} slots moved ({} at least), {targets} targets hold the ring",
                change.moved, change.least
            ),
            Self::ListenerRing { listener, change } => {
                write!(f, "listener {listener}: {} slots moved ({} at least)", change.moved, change.least)
            }
            Self::Drained { target } => write!(f, "target {target} is drained and gone"),
            Self::SameServerId { target, id, other } => write!(
                f,
                "target {target} has the QUIC server id {id} of {other}: its connections are lost when their clients' addresses \
                 change; give it another `quic_server_id`"
            ),
            Self::Full { what, name } => {
                write!(f, "no room for {name}: raise `agent.capacity.{what}` and restart the agent")
            }
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy targets",
            Self::OtherZones => "healthy targets of other zones (none in this one)",
            Self::FailOpen => "all targets (fail open: none is healthy)",
            Self::Waiting => "nowhere yet (first health checks)",
            Self::Empty => "nowhere (no usable target)",
        })
    }
}
