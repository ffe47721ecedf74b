//! How many instances there are, by what they are good for.

use super::facade::Engine;
use crate::autoscale::model::{Instance, Lifecycle, Purpose};
use crate::autoscale::policy::Situation;
use crate::model::Timestamp;

/// A group's instances, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// In service or on their way, and to stay.
    pub(super) good: u32,
    /// Those of them in service and not unhealthy.
    pub(super) good_in_service: u32,
    /// In service or on their way, and to be replaced.
    pub(super) condemned: u32,
    /// In service, healthy and warm, to stay or not.
    pub(super) ready: u32,
    /// On their way into service, or there for less than the warm-up, and to stay.
    pub(super) warming: u32,
}

impl Engine {
    pub(super) fn census(&self, now: Timestamp) -> Census {
        let mut census = Census::default();
        for instance in self.state.instances.values().filter(|instance| counts(instance)) {
            let serves = instance.lifecycle == Lifecycle::InService && instance.unhealthy.is_none();
            let is_ready = serves && self.is_warm(instance, now);
            census.ready += u32::from(is_ready);
            if instance.condemned.is_some() {
                census.condemned += 1;
                continue;
            }
            census.good += 1;
            census.good_in_service += u32::from(serves);
            // Where launches fail nobody knows when the next one comes into service: scale-in does not wait for it.
            let is_stuck =
                instance.lifecycle != Lifecycle::InService && self.state.troubles.is_in(instance.zone.as_ref());
            census.warming += u32::from(!self.is_warm(instance, now) && !is_stuck);
        }
        census
    }

    /// What policies need to know.
    pub(super) fn situation(&self, now: Timestamp) -> Situation {
        let census = self.census(now);
        Situation {
            now,
            desired: self.state.desired,
            bounds: self.state.bounds,
            serving: census.ready,
            warming: census.warming,
            launched: self.state.launches.back().copied(),
            cooldown: self.group.default_cooldown,
            stabilization: self.group.stabilization,
        }
    }

    /// Whether an instance has been in service for longer than the warm-up.
    pub(super) fn is_warm(&self, instance: &Instance, now: Timestamp) -> bool {
        let since = instance.in_service.filter(|_| instance.lifecycle == Lifecycle::InService);
        since.is_some_and(|since| now >= since + self.group.warmup)
    }
}

/// Whether an instance counts in the capacity.
pub(super) fn counts(instance: &Instance) -> bool {
    instance.lifecycle.counts() && instance.purpose == Purpose::Serve
}
