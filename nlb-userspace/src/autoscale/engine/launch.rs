//! Launches: how many, where, when they are asked for, and what the provider says to it.

use std::time::Duration;

use super::action::Action;
use super::facade::Engine;
use super::leave::is_leaving;
use super::life::new_instance;
use super::trouble::backoff;
use crate::autoscale::model::{Cause, Instance, InstanceId, Lifecycle, Process, Purpose, Token};
use crate::model::Timestamp;
use crate::providers::{Launch, ProviderError};

/// The launch limit is for so long.
const MINUTE: Duration = Duration::from_secs(60);

/// A provider that was asked and has not answered is asked again after so long: the answer got lost.
pub(super) const ANSWER: Duration = Duration::from_secs(120);

impl Engine {
    /// Launches what is missing of the capacity, as far as the replacement bounds leave room beside those that are to be replaced.
    pub(super) fn fill(&mut self, now: Timestamp) {
        // Before the first list there may be instances of an agent before this one whose state is lost.
        if self.is_suspended(Process::Launch) || self.state.listed.is_none() {
            return;
        }
        let census = self.census(now);
        let missing = self.state.desired.saturating_sub(census.good);
        let room = self.healthy_bounds().most.saturating_sub(census.good + census.condemned);
        for _ in 0..missing.min(room) {
            if !self.take_from_warm_pool(now) {
                self.create(Purpose::Serve, now);
            }
        }
    }

    /// Decides on a launch. It is asked for in time.
    pub(super) fn create(&mut self, purpose: Purpose, now: Timestamp) {
        let number = self.state.next_number;
        self.state.next_number += 1;
        let mut instance = new_instance(self, number, purpose, now);
        instance.zone = self.zone_for_launch(now);
        let (cause, why) = self.cause_of_launch(purpose);
        let description = format!("launch {} from {}: {why}", instance.token, instance.template);
        self.state.activities.begin(cause, description, Some(&instance.token), now);
        self.state.instances.insert(number, instance);
    }

    /// Asks the provider for all launches that are due, within the limit.
    pub(super) fn ask_for_launches(&mut self, now: Timestamp) {
        if self.is_suspended(Process::Launch) {
            return;
        }
        let launching =
            self.state.instances.values().filter(|one| matches!(one.lifecycle, Lifecycle::Launching { .. }));
        let mut numbers: Vec<_> = launching.map(|one| (one.purpose == Purpose::Wait, one.number)).collect();
        // What is to serve goes before the warm pool.
        numbers.sort_unstable();
        for (_, number) in numbers {
            let left = self.launches_left(now);
            let Some(instance) = self.state.instances.get_mut(&number) else { continue };
            let Lifecycle::Launching { attempts, retry } = &mut instance.lifecycle else { continue };
            let waits = *attempts == 0 && self.state.troubles.until(instance.zone.as_ref(), now).is_some();
            if left == 0 || now < *retry || waits {
                continue;
            }
            (*attempts, *retry) = (*attempts + 1, now + ANSWER);
            let (token, zone, version) = (instance.token.clone(), instance.zone.clone(), instance.template.clone());
            let template = self.template_of(&version).unwrap_or(&self.state.template).clone();
            self.actions.push(Action::Launch(Launch { group: self.group.name.clone(), token, template, zone }));
            self.state.launches.push_back(now);
            while self.state.launches.len()
                > usize::try_from(self.group.launches_per_minute.get()).unwrap_or(usize::MAX)
            {
                self.state.launches.pop_front();
            }
        }
    }

    /// How many more launches may be asked for now.
    pub(super) fn launches_left(&self, now: Timestamp) -> usize {
        let recent = self.state.launches.iter().filter(|at| now.since(**at) < MINUTE).count();
        usize::try_from(self.group.launches_per_minute.get()).unwrap_or(usize::MAX).saturating_sub(recent)
    }

    /// Whether a launch is decided on and not asked for.
    pub(super) fn awaits_launch(&self) -> bool {
        let waits = |lifecycle: &Lifecycle| matches!(lifecycle, Lifecycle::Launching { attempts: 0, .. });
        self.state.instances.values().any(|instance| waits(&instance.lifecycle))
    }

    /// The provider answered.
    pub(super) fn launched(&mut self, token: &Token, result: Result<InstanceId, ProviderError>, now: Timestamp) {
        let Some(number) = self.state.number_of(token) else { return };
        let chance = self.state.chance(number);
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        match result {
            Ok(id) => {
                instance.id = Some(id);
                if matches!(instance.lifecycle, Lifecycle::Launching { .. }) {
                    self.enter(number, Lifecycle::Pending, now);
                }
            }
            Err(error) => {
                let Lifecycle::Launching { attempts, retry } = &mut instance.lifecycle else { return };
                // Whether there is an instance now is not known: the same token asks for the same one.
                if is_uncertain(&error) {
                    *retry = now + backoff(*attempts, chance);
                } else {
                    *attempts = 0;
                    self.fail(number, &error.to_string(), now);
                }
            }
        }
    }

    /// The name of the instance with this number.
    pub(super) fn token(&self, number: u64) -> Token {
        Token(format!("{}-{number}", self.group.name))
    }

    /// The number in a token of this group.
    pub(super) fn number_in(&self, token: &Token) -> Option<u64> {
        token.0.strip_prefix(self.group.name.as_str())?.strip_prefix('-')?.parse().ok()
    }

    fn cause_of_launch(&self, purpose: Purpose) -> (Cause, String) {
        if purpose == Purpose::Wait {
            return (Cause::WarmPool, "for the warm pool".to_owned());
        }
        let replaced = self
            .state
            .instances
            .values()
            .find_map(|instance| Some((instance.condemned.clone()?, format!("replaces {}", instance.token))));
        let scaled = || {
            let change = self.state.last_change.as_ref().filter(|change| change.to > change.from);
            let cause = change.map_or(Cause::Bounds, |change| change.cause.clone());
            (cause, format!("{} wanted", self.state.desired))
        };
        replaced.or_else(|| self.cause_of_gap()).unwrap_or_else(scaled)
    }

    /// Why an instance is missing although the capacity hasn't changed since: the one that left last.
    fn cause_of_gap(&self) -> Option<(Cause, String)> {
        let changed = self.state.last_change.as_ref().map(|change| change.at);
        let is_gone = |one: &&Instance| {
            one.purpose == Purpose::End && is_leaving(&one.lifecycle) && changed.is_none_or(|at| one.since > at)
        };
        let gone = self.state.instances.values().filter(is_gone).max_by_key(|one| (one.since, one.number))?;
        let cause = self.state.activities.cause(&gone.token)?;
        Some((cause, format!("{} wanted, {} leaves", self.state.desired, gone.token)))
    }
}

/// Whether the provider may have done what it was asked for all the same.
fn is_uncertain(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Unavailable { .. } | ProviderError::TimedOut { .. })
}
