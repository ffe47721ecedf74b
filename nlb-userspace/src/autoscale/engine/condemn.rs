//! Which instances are to be replaced: those that are unhealthy, or too old, or in a zone that has too many.

use super::facade::Engine;
use crate::autoscale::model::{Cause, Instance, Lifecycle, Process, Token};
use crate::model::Timestamp;

impl Engine {
    /// Marks what is to be replaced. It serves on until the replacement bounds let it go.
    pub(super) fn condemn(&mut self, now: Timestamp) {
        let numbers: Vec<(u64, Cause)> = self
            .state
            .instances
            .values()
            .filter(|instance| instance.lifecycle == Lifecycle::InService && instance.condemned.is_none())
            .filter_map(|instance| Some((instance.number, self.sentence(instance, now)?)))
            .collect();
        for (number, cause) in numbers {
            self.condemn_one(number, cause);
        }
        self.rebalance_zones(now);
    }

    pub(super) fn condemn_one(&mut self, number: u64, cause: Cause) {
        if let Some(instance) = self.state.instances.get_mut(&number) {
            instance.condemned = Some(cause);
        }
    }

    /// Takes back what was condemned because of `cause`.
    pub(super) fn pardon(&mut self, cause: &Cause) {
        for instance in self.state.instances.values_mut().filter(|instance| instance.condemned.as_ref() == Some(cause))
        {
            instance.condemned = None;
        }
    }

    fn sentence(&self, instance: &Instance, now: Timestamp) -> Option<Cause> {
        let since = instance.in_service.unwrap_or(instance.since);
        let is_given_up = instance.unhealthy.is_some() && now >= since + self.group.grace_period;
        let replaces = !self.is_suspended(Process::HealthCheck) && !self.is_suspended(Process::ReplaceUnhealthy);
        if is_given_up && replaces {
            return Some(Cause::Unhealthy);
        }
        let is_old = self.group.max_lifetime.is_some_and(|lifetime| now >= instance.launched + lifetime);
        is_old.then_some(Cause::MaxLifetime)
    }

    /// The health of an instance's targets.
    pub(super) fn health(&mut self, token: &Token, health: Result<(), String>, now: Timestamp) {
        let Some(number) = self.state.number_of(token) else { return };
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        match health {
            Ok(()) => {
                instance.unhealthy = None;
                // One that is well again need not go, unless something else is against it.
                instance.condemned.take_if(|cause| *cause == Cause::Unhealthy);
                if instance.lifecycle == Lifecycle::PendingProceed {
                    self.begin_service(number, now);
                }
            }
            Err(reason) => {
                let since = instance.unhealthy.as_ref().map_or(now, |(_, since)| *since);
                instance.unhealthy = Some((reason, since));
            }
        }
    }
}
