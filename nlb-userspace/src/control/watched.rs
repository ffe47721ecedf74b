//! Whose active flows are to be estimated, and which listeners have a sketch of their own.

use std::collections::{BTreeMap, HashMap};

use nlb_common::tables::{Listener as Entry, ListenerKey};

use super::desired::listener_key;
use super::state::State;
use crate::active::{Watched, WatchedGroup, WatchedListener};
use crate::model::{Listener, Name, ServedBy};

impl State {
    /// How many listeners each group has; more than one where it shares one.
    pub(super) fn listeners_by_group(listeners: &[Listener]) -> HashMap<&Name, usize> {
        let mut by_group = HashMap::new();
        for listener in listeners {
            // Of one that groups share, none has the flows for itself.
            let weight = if matches!(listener.served_by, ServedBy::Shares(_)) { 2 } else { 1 };
            for group in listener.served_by.groups() {
                *by_group.entry(group).or_default() += weight;
            }
        }
        by_group
    }

    /// The sketch of a listener with these counters, in a group that has so many. One that has its group for itself needs none:
    /// every packet would pay for what the targets' sketches tell as well. One of many ports has one all the same.
    pub(super) const fn sketch(key: &ListenerKey, counters: u32, listeners_of_group: usize) -> u32 {
        if listeners_of_group > 1 || key.has_more_ports() { counters } else { Entry::NO_SKETCH }
    }

    /// Whose active flows are to be estimated, as [`rebuild`](Self::rebuild) has put them into the tables.
    pub fn watched(&self) -> Watched {
        let by_group = Self::listeners_by_group(&self.listeners);
        let mut groups: BTreeMap<&Name, WatchedGroup> = BTreeMap::new();
        for group in &self.groups {
            let tags = self.with_leaving(group).map(|target| self.tag_of_target(&group.key(target)));
            let targets = tags.filter_map(|tag| Some((tag, self.target_indexes.get(&tag)?))).collect();
            groups.insert(&group.name, WatchedGroup { targets, ..WatchedGroup::default() });
        }
        for listener in &self.listeners {
            let key = listener_key(listener);
            let Some(counters) = self.listener_indexes.get(&key) else { continue };
            let Some(name) = listener.served_by.groups().next() else { continue };
            let Some(group) = groups.get_mut(name) else { continue };
            let watched = WatchedListener { key, counters };
            match Self::sketch(&key, counters, by_group.get(name).copied().unwrap_or_default()) {
                Entry::NO_SKETCH => group.sole = Some(watched),
                sketch => group.sharing.push((watched, sketch)),
            }
        }
        Watched(groups.into_values().collect())
    }
}
