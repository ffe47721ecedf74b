//! What the API, the metrics and the command line see: the whole state at one moment.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use nlb_common::hash::HashKeys;
use nlb_common::slot::{Slot, TargetIndex};

use super::event::{Health, NextHop, NoNextHop};
use crate::dataplane::Attachment;
use crate::model::{
    Affinity, Configuration, DrainCause, FlowRules, GroupShare, Listener, Name, QuicServerId, ServedBy, Target,
    TargetKey, Timestamp,
};

/// The state at one moment. Cheap to clone parts of: what is large is shared.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// When the agent began.
    pub started: Timestamp,
    /// The configuration in force, without runtime changes.
    pub configuration: Arc<Configuration>,
    /// Where it was read from.
    pub configuration_path: PathBuf,
    /// When it was loaded.
    pub configured: Timestamp,
    /// The last attempt to load it again, if that failed: the configuration in force is an older one.
    pub reload_failure: Option<ReloadFailure>,
    /// The seed in force.
    pub seed: u64,
    /// Where the program is attached.
    pub attachments: Vec<Attachment>,
    /// Listeners, in the file's order.
    pub listeners: Vec<ListenerState>,
    /// Groups, in the file's order.
    pub groups: Vec<GroupState>,
    /// The last attempt to write the tables that failed, if the tables are not what they should be.
    pub dataplane_error: Option<String>,
}

/// A reload that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadFailure {
    /// When.
    pub at: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// A listener as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerState {
    /// As configured.
    pub listener: Listener,
    /// Index of its counters.
    pub counters: u32,
    /// Its own ring, if groups share it.
    pub own_ring: Option<OwnRing>,
}

/// The ring of a listener that groups share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRing {
    /// Index of its first slot in the slot table.
    pub first_slot: u32,
    /// The ring.
    pub ring: Arc<[Slot]>,
}

impl ListenerState {
    /// The groups that share it, if they do, each with how many slots are its targets'.
    pub fn shares(&self, snapshot: &Snapshot) -> Vec<(&GroupShare, usize)> {
        let (ServedBy::Shares(shares), Some(own)) = (&self.listener.served_by, &self.own_ring) else {
            return Vec::new();
        };
        let of_group = |share: &GroupShare| {
            let targets: BTreeSet<_> = snapshot
                .group(&share.group)
                .into_iter()
                .flat_map(|group| &group.targets)
                .map(|target| target.index)
                .collect();
            own.ring.iter().filter(|slot| targets.contains(&slot.current())).count()
        };
        shares.iter().map(|share| (share, of_group(share))).collect()
    }
}

/// A target group as it is.
#[derive(Clone, Debug)]
pub struct GroupState {
    /// Its name.
    pub name: Name,
    /// Index in the group table.
    pub index: u32,
    /// Which part of a flow decides its target.
    pub affinity: Affinity,
    /// Which targets get new flows, and why those.
    pub routing: Routing,
    /// The targets: the file's in the file's order, then those registered at run time.
    pub targets: Vec<TargetState>,
    /// Index of the ring's first slot in the slot table.
    pub first_slot: u32,
    /// The ring.
    pub ring: Arc<[Slot]>,
    /// The last change of the ring.
    pub last_change: Option<RingChange>,
    /// Its flows' settings in force.
    pub rules: FlowRules,
    /// Slots in transition.
    pub open_slots: u32,
    /// Flows that are remembered, as last counted; `None` before the first count.
    pub pins: Option<u64>,
}

/// What the last change of a ring moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingChange {
    /// When.
    pub at: Timestamp,
    /// Slots that got another target.
    pub moved: u32,
    /// The least that any ring would have moved for the same change of shares.
    pub least: u32,
}

/// Which targets of a group get new flows. In order, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Routing {
    /// The healthy ones of this edge's zone (or of all zones, when zones don't matter here).
    Healthy,
    /// The healthy ones of other zones: this edge's zone has none.
    OtherZones,
    /// All of them: none is healthy.
    FailOpen,
    /// None yet: its targets are at their first checks.
    Waiting,
    /// None: the group has no target with a weight above 0 and a next hop.
    Empty,
}

/// Where a target was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In the configuration file.
    File,
    /// At run time.
    Runtime,
}

/// A target as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetState {
    /// Its name.
    pub key: TargetKey,
    /// As configured, with the weight in force.
    pub target: Target,
    /// The weight in the file, when a runtime change overrides it.
    pub file_weight: Option<u16>,
    /// Where it was registered.
    pub origin: Origin,
    /// Index in the target table.
    pub index: TargetIndex,
    /// Its health.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// The way there.
    pub next_hop: Result<NextHop, NoNextHop>,
    /// Slots of the ring that are its own.
    pub slots: u32,
    /// Whether it may serve the flows that it has: otherwise they are selected anew.
    pub serves: bool,
    /// How it is leaving, if it is.
    pub draining: Option<Draining>,
    /// Flows of it that are remembered, as last counted; `None` before the first count.
    pub pins: Option<u64>,
    /// Its id in QUIC's connection ids, if a listener of its group asks for them.
    pub quic_server_id: Option<QuicServerId>,
}

/// How a target is leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// Why.
    pub cause: DrainCause,
    /// Since when.
    pub began: Timestamp,
    /// When the flows that are left have to go.
    pub ends: Timestamp,
    /// Whether they are being cut: the next packet of each is answered with a reset.
    pub cutting: bool,
}

impl TargetState {
    /// Whether it is registered no longer, and only here until its flows are gone.
    pub fn is_leaving(&self) -> bool {
        self.draining.is_some_and(|draining| draining.cause == DrainCause::Deregistered)
    }
}

impl Snapshot {
    /// The keys of the flow hash.
    pub fn hash_keys(&self) -> HashKeys {
        HashKeys::from_seed(self.seed)
    }

    /// What the ring of a listener's flows says of its targets: that of its group, or of the groups that share it, together.
    pub fn serving(&self, state: &ListenerState) -> Option<Cow<'_, GroupState>> {
        let mut groups = state.listener.served_by.groups().filter_map(|name| self.group(name));
        let first = groups.next()?;
        let Some(own) = &state.own_ring else { return Some(Cow::Borrowed(first)) };
        let mut joined = GroupState { first_slot: own.first_slot, ring: Arc::clone(&own.ring), ..first.clone() };
        for group in groups {
            joined.routing = joined.routing.min(group.routing);
            joined.targets.extend(group.targets.iter().cloned());
        }
        for target in &mut joined.targets {
            let slots = own.ring.iter().filter(|slot| slot.current() == target.index).count();
            target.slots = u32::try_from(slots).unwrap_or(u32::MAX);
        }
        Some(Cow::Owned(joined))
    }

    /// The listeners that take what is for that address, protocol and port, the narrowest first: that one has it.
    pub fn listeners_of(&self, destination: SocketAddr, protocol: u8) -> Vec<&ListenerState> {
        let takes = |state: &&ListenerState| {
            let Listener { address, protocol: own, ports, .. } = &state.listener;
            (*address, own.number()) == (destination.ip(), protocol) && ports.contains(destination.port())
        };
        let mut found: Vec<_> = self.listeners.iter().filter(takes).collect();
        found.sort_by_key(|state| state.listener.ports.count());
        found
    }

    /// The group of that name.
    pub fn group(&self, name: &Name) -> Option<&GroupState> {
        self.groups.iter().find(|group| &group.name == name)
    }

    /// Every target's address, each once.
    pub fn target_addresses(&self) -> std::collections::BTreeSet<IpAddr> {
        self.groups.iter().flat_map(|group| &group.targets).map(|target| target.key.address).collect()
    }
}
