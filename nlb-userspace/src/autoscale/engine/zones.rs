//! Zones: instances are spread over them evenly, as far as launches in them succeed.

use super::census::counts;
use super::facade::Engine;
use super::life::is_leaving;
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
    /// Nothing else may be going on: what is launched and replaced anyway evens zones out too.
    pub(super) fn rebalance_zones(&mut self, now: Timestamp) {
        let census = self.census(now);
        let is_settled =
            census.condemned == 0 && census.good == self.state.desired && census.good_in_service == census.good;
        if self.group.zones.is_empty() || self.is_suspended(Process::ZoneRebalance) || !is_settled {
            return;
        }
        if self.refresh_under_way().is_some() {
            return;
        }
        let serving = |zone: Option<&Name>| {
            self.state.instances.values().filter(|one| counts(one) && one.zone.as_ref() == zone).count()
        };
        let Some(fewest) = self.group.zones.iter().min_by_key(|zone| serving(Some(zone))) else { return };
        if self.state.troubles.is_in(Some(fewest)) {
            return;
        }
        let (least, zones) = (serving(Some(fewest)), &self.group.zones);
        let is_misplaced = |zone: Option<&Name>| match zone {
            Some(zone) if zones.contains(zone) => serving(Some(zone)) >= least + 2,
            _ => true,
        };
        let misplaced =
            |number: &u64| self.state.instances.get(number).is_some_and(|one| is_misplaced(one.zone.as_ref()));
        if let Some(number) = self.by_termination_order().into_iter().find(misplaced) {
            self.condemn_one(number, Cause::ZoneRebalance);
        }
    }
}
