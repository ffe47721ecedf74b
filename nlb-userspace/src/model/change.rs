//! Changes made at run time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Name, QuicServerId, Target, TargetKey, Weight};

/// A change made at run time, over the file. It survives a restart of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Adds a target to a group.
    Register {
        /// Name of the group.
        group: Name,
        /// The target.
        target: Target,
    },
    /// Takes a target out of its group.
    Deregister {
        /// Which target.
        target: TargetKey,
    },
    /// Gives a target another weight.
    SetWeight {
        /// Which target.
        target: TargetKey,
        /// The new weight.
        weight: Weight,
    },
    /// Gives a target no new flows, and lets it keep those it has for its group's deregistration delay.
    Drain {
        /// Which target.
        target: TargetKey,
    },
    /// Ends a drain: the target gets new flows again.
    Undrain {
        /// Which target.
        target: TargetKey,
    },
}

impl Change {
    /// The target that it changes.
    pub fn target(&self) -> TargetKey {
        match self {
            Self::Register { group, target } => {
                TargetKey { group: group.clone(), address: target.address, port: target.port }
            }
            Self::Deregister { target }
            | Self::SetWeight { target, .. }
            | Self::Drain { target }
            | Self::Undrain { target } => target.clone(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target();
        match self {
            Self::Register { .. } => write!(f, "target {target} registered at run time"),
            Self::Deregister { .. } => write!(f, "target {target} deregistered at run time"),
            Self::Drain { .. } => write!(f, "target {target} is drained"),
            Self::Undrain { .. } => write!(f, "target {target} is drained no longer"),
            Self::SetWeight { weight, .. } => write!(f, "target {target} given weight {} at run time", weight.get()),
        }
    }
}

/// Why a change can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// No group of that name.
    #[error("no target group `{group}`; there are: {}", list(known))]
    UnknownGroup {
        /// The name asked for.
        group: Name,
        /// The names that exist.
        known: Vec<Name>,
    },
    /// No such target in the group.
    #[error("no target {} in group `{group}`; see `nlb target list {group}`", SocketAddr::new(*address, *port))]
    UnknownTarget {
        /// The group.
        group: Name,
        /// The address asked for.
        address: IpAddr,
        /// The port asked for.
        port: u16,
    },
    /// The target is there already.
    #[error("{target} is registered already; to change its weight use `nlb target set-weight`")]
    AlreadyRegistered {
        /// Which.
        target: TargetKey,
    },
    /// The target is drained by command already.
    #[error("{target} is drained already; to end that use `nlb target undrain`")]
    AlreadyDrained {
        /// Which.
        target: TargetKey,
    },
    /// The target is not drained by command.
    #[error("{target} is not drained; see `nlb target list {}`", target.group)]
    NotDrained {
        /// Which.
        target: TargetKey,
    },
    /// The file has the target, in another zone.
    #[error("the configuration file has {target} in {}: change it there and reload", zone_named(zone.as_ref()))]
    OtherZone {
        /// Which.
        target: TargetKey,
        /// The file's zone.
        zone: Option<Name>,
    },
    /// The file has the target, with another id for QUIC.
    #[error("the configuration file has {target} with {}: change it there and reload", id_named(id.as_ref()))]
    OtherServerId {
        /// Which.
        target: TargetKey,
        /// The file's id.
        id: Option<QuicServerId>,
    },
    /// Its id for QUIC is not as long as those of its group's listeners.
    #[error("{target} would have the QUIC server id {id}, and listener `{listener}` has ids of {length} bytes")]
    ServerIdLength {
        /// Which.
        target: TargetKey,
        /// The id.
        id: QuicServerId,
        /// Name of the listener.
        listener: Name,
        /// Its ids' length.
        length: u8,
    },
    /// Another target has its id for QUIC.
    #[error("{target} would have the QUIC server id {id}, which {other} has: give it another by `--quic-server-id`")]
    SameServerId {
        /// Which.
        target: TargetKey,
        /// The id.
        id: QuicServerId,
        /// Who has it.
        other: TargetKey,
    },
    /// A packet to such a target would come back to the edge for ever.
    #[error("{address} is the address of listener `{listener}`: register the target host's own address")]
    IsListener {
        /// The address asked for.
        address: IpAddr,
        /// Name of a listener that has it.
        listener: Name,
    },
    /// The change could not be made durable, so it was not made.
    #[error("the change can't be kept: {reason}")]
    NotKept {
        /// What the store says.
        reason: String,
    },
    /// The tables are full.
    #[error("no room for another {what}: the tables hold {capacity}; raise `agent.capacity.{what}`")]
    Full {
        /// `listeners`, `groups`, `targets` or `slots`.
        what: &'static str,
        /// What the configuration says.
        capacity: u32,
    },
}

fn list(names: &[Name]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn id_named(id: Option<&QuicServerId>) -> String {
    id.map_or_else(|| "no `quic_server_id`".to_owned(), |id| format!("the QUIC server id {id}"))
}

fn zone_named(zone: Option<&Name>) -> String {
    zone.map_or_else(|| "no zone".to_owned(), |zone| format!("zone `{zone}`"))
}
