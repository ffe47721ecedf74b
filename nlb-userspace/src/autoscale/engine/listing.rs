//! The provider's list against what is known: what became of launches, what is gone, what nobody knew of.
//!
//! Providers err and lie. Something that is missing is gone when it was missing in several lists in a row; what a launch was
//! acknowledged for and no list shows is given up and launched anew; what isn't known is taken in, or ended when its token
//! says that it had been ended before.

use std::time::Duration;

use super::facade::Engine;
use super::launch::ANSWER;
use super::leave::is_leaving;
use super::life::new_instance;
use crate::autoscale::model::{Cause, Lifecycle, Process, Purpose, Standing, WarmState};
use crate::model::Timestamp;
use crate::providers::{Provided, ProvidedState};

/// What is missing in so many lists in a row is gone.
const MISSES: u32 = 3;

/// A new instance may be missing for so long.
const APPEARS: Duration = Duration::from_secs(60);

impl Engine {
    /// Takes in a list. One that is older than the last is passed over.
    pub(super) fn listed(&mut self, asked: Timestamp, listed: Vec<Provided>, now: Timestamp) {
        if self.state.listed.is_some_and(|last| asked < last) {
            return;
        }
        self.state.listed = Some(asked);
        let mut seen = Vec::with_capacity(listed.len());
        for provided in listed {
            let number = self.owner_of(&provided).or_else(|| self.adopt(&provided, now));
            if let Some(number) = number {
                seen.push(number);
                self.found(number, provided, now);
            }
        }
        seen.sort_unstable();
        let numbers: Vec<u64> = self.state.instances.keys().copied().collect();
        for number in numbers {
            if seen.binary_search(&number).is_err() {
                self.not_found(number, asked, now);
            }
        }
    }

    /// Whose entry it is: by token, by name, or the oldest launch that has no name yet when the provider can't keep tokens.
    fn owner_of(&self, provided: &Provided) -> Option<u64> {
        let mut instances = self.state.instances.values();
        if let Some(token) = provided.token.as_ref().filter(|token| self.number_in(token).is_some()) {
            return self.state.number_of(token);
        }
        let named = instances.clone().find(|instance| instance.id.as_ref() == Some(&provided.id));
        let nameless = || {
            instances.find(|instance| {
                let is_asked_for = matches!(instance.lifecycle, Lifecycle::Launching { attempts: 1.., .. });
                is_asked_for && instance.id.is_none() && (provided.zone.is_none() || provided.zone == instance.zone)
            })
        };
        Some(named.or_else(nameless)?.number)
    }

    /// Takes in what isn't known. What had been ended, as its token tells, is ended again.
    fn adopt(&mut self, provided: &Provided, now: Timestamp) -> Option<u64> {
        if provided.state == ProvidedState::Deleting {
            return None;
        }
        let told = provided.token.as_ref().and_then(|token| self.number_in(token));
        let number = told.unwrap_or(self.state.next_number);
        let is_over = number < self.state.next_number;
        self.state.next_number = self.state.next_number.max(number.saturating_add(1));
        let mut instance = new_instance(self, number, Purpose::Serve, now);
        instance.zone = provided.zone.clone();
        instance.launched = provided.launched.unwrap_or(now);
        instance.id = Some(provided.id.clone());
        instance.lifecycle = Lifecycle::Pending;
        let token = instance.token.clone();
        self.state.instances.insert(number, instance);
        if is_over || matches!(provided.state, ProvidedState::Failed { .. }) {
            self.retire(number, Cause::FailedLaunch, "it was ended before, and is there", now);
        } else {
            let description = format!("take {token} in: the provider runs it for this group");
            self.state.activities.begin(Cause::Bounds, description, Some(&token), now);
        }
        Some(number)
    }

    /// What the provider says of an instance.
    fn found(&mut self, number: u64, provided: Provided, now: Timestamp) {
        let pool_stops = self.group.warm_pool.is_none_or(|pool| pool.state == WarmState::Stopped);
        let needs_address = !self.group.target_groups.is_empty();
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        instance.missing = 0;
        instance.id = Some(provided.id);
        let place = (provided.address.or(instance.address), provided.port.unwrap_or(instance.port));
        let has_moved = place != (instance.address, instance.port);
        (instance.address, instance.port) = place;
        let has_address = instance.address.is_some() || !needs_address;
        instance.provided = Some(standing(&provided.state));
        if matches!(instance.lifecycle, Lifecycle::Launching { .. }) {
            // The answer to the launch got lost.
            self.enter(number, Lifecycle::Pending, now);
        }
        let Some(instance) = self.state.instances.get(&number) else { return };
        if has_moved && instance.registered && !is_leaving(&instance.lifecycle) {
            self.register(number);
        }
        let Some(instance) = self.state.instances.get(&number) else { return };
        match (&instance.lifecycle, provided.state) {
            (Lifecycle::Pending, ProvidedState::Running) if has_address => self.runs(number, now),
            (Lifecycle::Pending, ProvidedState::Stopped) => self.start(number),
            (Lifecycle::Warmed, ProvidedState::Running) if pool_stops => self.stop(number),
            (Lifecycle::Warmed, ProvidedState::Stopped) if !pool_stops => self.start(number),
            (Lifecycle::Warmed | Lifecycle::Pending, ProvidedState::Creating | ProvidedState::Stopped) => {}
            (Lifecycle::TerminatingProceed { .. }, ProvidedState::Deleting) => {
                self.enter(number, Lifecycle::ShuttingDown, now);
            }
            (_, ProvidedState::Creating | ProvidedState::Running) => {}
            (_, ProvidedState::Stopped) => self.lost(number, "the provider stopped it", now),
            (_, ProvidedState::Deleting) => self.lost(number, "the provider ends it", now),
            (_, ProvidedState::Failed { reason }) => self.lost(number, &reason, now),
        }
    }

    /// An instance is not in the list that was asked for at `asked`.
    fn not_found(&mut self, number: u64, asked: Timestamp, now: Timestamp) {
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        if asked <= instance.since {
            return;
        }
        instance.missing = instance.missing.saturating_add(1);
        let waited = now.since(instance.since);
        let was_listed = instance.provided.is_some();
        let is_missing = instance.missing >= MISSES && (was_listed || waited >= APPEARS);
        match &instance.lifecycle {
            // The provider was not asked, or is asked again.
            Lifecycle::Launching { .. } => {}
            Lifecycle::ShuttingDown if was_listed || waited >= APPEARS => self.gone(number, now),
            // A launch that was never answered may still become an instance.
            Lifecycle::TerminatingProceed { .. } if is_missing && (was_listed || waited >= 2 * ANSWER) => {
                self.gone(number, now);
            }
            Lifecycle::TerminatingProceed { .. } | Lifecycle::ShuttingDown => {}
            _ if is_missing && was_listed => self.lost(number, "it is gone", now),
            _ if is_missing => self.lost(number, "launched, said the provider, and it is not in its list", now),
            _ => {}
        }
    }

    /// An instance is no longer what it should be, by what the provider says.
    fn lost(&mut self, number: u64, reason: &str, now: Timestamp) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        match instance.lifecycle {
            _ if is_leaving(&instance.lifecycle) => {}
            Lifecycle::InService if self.is_suspended(Process::HealthCheck) => {}
            Lifecycle::InService => self.retire(number, Cause::Unhealthy, reason, now),
            Lifecycle::Warmed => self.retire(number, Cause::WarmPool, reason, now),
            _ => self.fail(number, reason, now),
        }
    }
}

fn standing(state: &ProvidedState) -> Standing {
    match state {
        ProvidedState::Creating => Standing::Creating,
        ProvidedState::Running => Standing::Running,
        ProvidedState::Stopped => Standing::Stopped,
        ProvidedState::Deleting | ProvidedState::Failed { .. } => Standing::Ending,
    }
}
