//! Zones: instances are spread over them evenly, as far as launches in them succeed.

use std::collections::BTreeMap;

use super::census::counts;
use super::facade::Engine;
use super::leave::is_leaving;
use crate::autoscale::model::{Cause, Instance, Process};
use crate::model::{Name, Timestamp};

impl Engine {
    /// Where the next instance goes: the zone with the fewest, among those where launches don't fail just now.
    pub(super) fn zone_for_launch(&self, now: Timestamp) -> Option<Name> {
        let trouble = |zone: &Name| self.state.troubles.until(Some(zone), now);
        let rank = |zone: &&Name| (trouble(zone), self.in_zone(Some(zone)));
        self.group.zones.iter().min_by_key(rank).cloned()
    }

    /// Instances in a zone that are there to stay.
    pub(super) fn in_zone(&self, zone: Option<&Name>) -> usize {
        let stays = |instance: &&Instance| {
            instance.zone.as_ref() == zone && !is_leaving(&instance.lifecycle) && instance.condemned.is_none()
        };
        self.state.instances.values().filter(stays).count()
    }

    /// Condemns one instance at a time while zones differ by more than one, or one is in a zone that is no longer the group's.
    pub(super) fn rebalance_zones(&mut self, now: Timestamp) {
        if self.group.zones.is_empty() || self.is_suspended(Process::ZoneRebalance) || !self.is_at_rest(now) {
            return;
        }
        let mut serving: BTreeMap<Option<&Name>, usize> = self.group.zones.iter().map(|zone| (Some(zone), 0)).collect();
        for instance in self.state.instances.values().filter(|instance| counts(instance)) {
            *serving.entry(instance.zone.as_ref()).or_default() += 1;
        }
        let zones = &self.group.zones;
        let is_ours = |zone: Option<&Name>| zone.is_some_and(|zone| zones.contains(zone));
        let ours = serving.iter().filter(|(zone, _)| is_ours(**zone));
        let Some((fewest, least)) = ours.min_by_key(|(_, count)| **count) else { return };
        let is_crowded = |zone: Option<&Name>, count: usize| !is_ours(zone) || count >= least + 2;
        let crowded: Vec<_> = serving.iter().filter(|(zone, count)| is_crowded(**zone, **count)).collect();
        // Where launches fail nothing is moved to.
        if crowded.is_empty() || self.state.troubles.is_in(*fewest) {
            return;
        }
        let misplaced = |number: &u64| {
            let zone = self.state.instances.get(number).map(|instance| instance.zone.as_ref());
            crowded.iter().any(|(crowded, _)| zone == Some(**crowded))
        };
        if let Some(number) = self.by_termination_order().into_iter().find(misplaced) {
            self.condemn_one(number, Cause::ZoneRebalance);
        }
    }

    /// Whether nothing else is going on: what is launched and replaced anyway evens zones out too.
    fn is_at_rest(&self, now: Timestamp) -> bool {
        let census = self.census(now);
        let is_whole = census.good == self.state.desired && census.good_in_service == census.good;
        census.condemned == 0 && is_whole && self.refresh_under_way().is_none()
    }
}
