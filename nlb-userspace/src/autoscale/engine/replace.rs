//! Replacement: what is condemned goes when as many others serve as must, or to make room for its successor.

use super::facade::Engine;
use crate::autoscale::model::{Cause, Instance, Lifecycle, Process};
use crate::model::Timestamp;

/// What replacement keeps to, in instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HealthyBounds {
    /// So many stay in service, warm and healthy.
    pub(super) least: u32,
    /// No more than so many are in service or on their way.
    pub(super) most: u32,
}

impl Engine {
    /// The percentages as numbers: at least one more may exist where more than 100 % may; where not, one may be missing, or
    /// nothing could ever be replaced.
    pub(super) fn healthy_bounds(&self) -> HealthyBounds {
        let bounds = self.refresh_bounds().unwrap_or(self.group.replacement);
        let desired = u64::from(self.state.desired);
        let least = (desired * u64::from(bounds.min_healthy)).div_ceil(100);
        let most = desired * u64::from(bounds.max_healthy.max(100)) / 100;
        let (least, most) = if bounds.max_healthy > 100 {
            (least, most.max(desired + 1))
        } else {
            (least.min(desired.saturating_sub(1)), desired)
        };
        let whole = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        HealthyBounds { least: whole(least), most: whole(most) }
    }

    /// Ends what is condemned, as far as it may go.
    pub(super) fn replace(&mut self, now: Timestamp) {
        while let Some((number, cause, why)) = self.next_to_replace(now) {
            self.retire(number, cause, &why, now);
        }
    }

    fn next_to_replace(&self, now: Timestamp) -> Option<(u64, Cause, String)> {
        if self.is_suspended(Process::Terminate) {
            return None;
        }
        let (census, bounds) = (self.census(now), self.healthy_bounds());
        let is_superseded = census.good_in_service + census.condemned > self.state.desired;
        let is_in_the_way = census.good < self.state.desired && census.good + census.condemned >= bounds.most;
        if !is_superseded && !is_in_the_way {
            return None;
        }
        let serves = |instance: &Instance| {
            instance.lifecycle == Lifecycle::InService && instance.unhealthy.is_none() && self.is_warm(instance, now)
        };
        let condemned = self.state.instances.values().filter_map(|instance| {
            let cause = instance.condemned.clone().filter(|_| super::census::counts(instance))?;
            Some((instance, cause))
        });
        let (instance, cause) = condemned.min_by_key(|(instance, _)| (serves(instance), instance.number))?;
        let may_go = !serves(instance) || census.ready > bounds.least;
        may_go.then(|| (instance.number, cause.clone(), why(instance, &cause)))
    }
}

/// Why it goes, for people.
fn why(instance: &Instance, cause: &Cause) -> String {
    match (cause, &instance.unhealthy) {
        (Cause::Unhealthy, Some((reason, _))) => format!("unhealthy: {reason}"),
        (Cause::MaxLifetime, _) => "older than the greatest lifetime".to_owned(),
        (Cause::ZoneRebalance, _) => "its zone has more than others".to_owned(),
        (Cause::Refresh, _) => "instance refresh".to_owned(),
        _ => "replaced".to_owned(),
    }
}
