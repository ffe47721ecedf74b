//! Changes made at run time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Forwarding, GroupShare, Name, QuicServerId, Target, TargetKey, Weight};

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
    /// Gives target groups that share a listener other weights there.
    SetShares {
        /// Name of the listener.
        listener: Name,
        /// The new weights; those of the listener's other groups stay.
        shares: Vec<GroupShare>,
    },
}

/// What a change is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A target, and with it the ring of its group.
    Target(TargetKey),
    /// A listener of that name, and its own ring.
    Listener(Name),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(target) => write!(f, "{target}"),
            Self::Listener(name) => write!(f, "{name}"),
        }
    }
}

impl Change {
    /// What it changes.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Register { group, target } => {
                Subject::Target(TargetKey { group: group.clone(), address: target.address, port: target.port })
            }
            Self::Deregister { target }
            | Self::SetWeight { target, .. }
            | Self::Drain { target }
            | Self::Undrain { target } => Subject::Target(target.clone()),
            Self::SetShares { listener, .. } => Subject::Listener(listener.clone()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject();
        match self {
            Self::Register { .. } => write!(f, "target {subject} registered at run time"),
            Self::Deregister { .. } => write!(f, "target {subject} deregistered at run time"),
            Self::Drain { .. } => write!(f, "target {subject} is drained"),
            Self::Undrain { .. } => write!(f, "target {subject} is drained no longer"),
            Self::SetWeight { weight, .. } => write!(f, "target {subject} given weight {} at run time", weight.get()),
            Self::SetShares { shares, .. } => {
                write!(f, "listener {subject} given the weights {} at run time", list(shares))
            }
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
    /// No listener of that name.
    #[error("no listener `{listener}`; there are: {}", list(known))]
    UnknownListener {
        /// The name asked for.
        listener: Name,
        /// The names that exist.
        known: Vec<Name>,
    },
    /// The listener has one group, and no weights.
    #[error(
        "listener `{listener}` is served by `{group}` alone: list its groups by weight in the configuration, as \
         `target_groups = [\"{group}=90\", …]`"
    )]
    NotShared {
        /// The listener.
        listener: Name,
        /// Its group.
        group: Name,
    },
    /// The listener doesn't have the group.
    #[error("`{group}` does not share listener `{listener}`; those that do: {}", list(sharing))]
    NoShare {
        /// The listener.
        listener: Name,
        /// The group asked for.
        group: Name,
        /// The groups that share it.
        sharing: Vec<Name>,
    },
    /// The group has two weights in one change.
    #[error("`{group}` is given two weights: give each group one")]
    TwoWeights {
        /// The group.
        group: Name,
    },
    /// Nobody would get a flow.
    #[error("no group of listener `{listener}` would have a weight above 0: give one of them a weight")]
    NoneWeighted {
        /// The listener.
        listener: Name,
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
    /// Such a target could not answer the client's own address.
    #[error("target {target} is of another family than listener `{listener}`: {}", Forwarding::help_to_answer(*vip))]
    OtherFamily {
        /// The address asked for.
        target: IpAddr,
        /// Name of a listener whose packets it would get.
        listener: Name,
        /// Its address.
        vip: IpAddr,
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

fn list(items: &[impl ToString]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn id_named(id: Option<&QuicServerId>) -> String {
    id.map_or_else(|| "no `quic_server_id`".to_owned(), |id| format!("the QUIC server id {id}"))
}

fn zone_named(zone: Option<&Name>) -> String {
    zone.map_or_else(|| "no zone".to_owned(), |zone| format!("zone `{zone}`"))
}
