//! Terminations: which instance goes first, and what the provider is asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::action::Action;
use super::census::counts;
use super::command::Refused;
use super::facade::Engine;
use super::launch::ANSWER;
use super::leave::is_leaving;
use super::trouble::backoff;
use crate::autoscale::model::{Cause, Instance, Lifecycle, Process, Purpose, TerminationOrder, Token};
use crate::model::{Name, Timestamp};
use crate::providers::ProviderError;

/// How often it is looked whether an instance has a name by now that it can be ended by.
const NAMELESS: Duration = Duration::from_secs(10);

impl Engine {
    /// Ends what is more than the capacity.
    pub(super) fn scale_in(&mut self, now: Timestamp) {
        if self.is_suspended(Process::Terminate) {
            return;
        }
        let change = self.state.last_change.as_ref().filter(|change| change.to < change.from);
        let cause = change.map_or(Cause::Bounds, |change| change.cause.clone());
        while self.census(now).good > self.state.desired {
            let Some(number) = self.by_termination_order().into_iter().next() else { return };
            let why = format!("{} wanted", self.state.desired);
            let purpose = if self.has_use_in_warm_pool(number) { Purpose::Wait } else { Purpose::End };
            self.leave(number, purpose, cause.clone(), &why, now);
        }
    }

    /// What may be scaled in, first to go first: what was never asked for, what is unhealthy, then by zone, template version,
    /// the configured order, and chance.
    pub(super) fn by_termination_order(&self) -> Vec<u64> {
        let may_go = |one: &&Instance| counts(one) && one.condemned.is_none() && !one.protected;
        let candidates: Vec<&Instance> = self.state.instances.values().filter(may_go).collect();
        let mut in_zone: BTreeMap<Option<&Name>, usize> = BTreeMap::new();
        for candidate in &candidates {
            *in_zone.entry(candidate.zone.as_ref()).or_default() += 1;
        }
        let rank = |one: &&Instance| self.rank(one, in_zone.get(&one.zone.as_ref()).copied().unwrap_or_default());
        let mut ranked: Vec<_> = candidates.iter().map(|one| (rank(one), one.number)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, number)| number).collect()
    }

    fn rank(&self, instance: &Instance, in_zone: usize) -> impl Ord + use<> {
        let is_asked_for = !matches!(instance.lifecycle, Lifecycle::Launching { attempts: 0, .. });
        let version = &instance.template;
        // A template of another name is as old as can be.
        let version = (version.name == self.state.template.version.name, version.version);
        let is_in_service = instance.lifecycle == Lifecycle::InService;
        let flows = if is_in_service { instance.flows.unwrap_or(u64::MAX) } else { 0 };
        let order = match self.group.termination {
            TerminationOrder::FewestFlows => flows,
            TerminationOrder::Oldest => instance.number,
            TerminationOrder::Newest => u64::MAX - instance.number,
        };
        let chance = self.state.chance(instance.number);
        (is_asked_for, instance.unhealthy.is_none(), Reverse(in_zone), version, is_in_service, order, flows, chance)
    }

    /// Ends the instance that somebody named.
    pub(super) fn terminate_by_name(&mut self, token: &Token, decrement: bool, now: Timestamp) -> Result<(), Refused> {
        let number = self.known(token)?;
        let Some(instance) = self.state.instances.get(&number) else { return Ok(()) };
        if is_leaving(&instance.lifecycle) {
            return Err(Refused::Leaving(token.clone()));
        }
        if decrement && counts(instance) {
            let (wanted, bounds) = (self.state.desired.saturating_sub(1), self.state.bounds);
            if wanted < bounds.min {
                return Err(Refused::OutOfBounds { wanted, bounds });
            }
            self.set_desired(wanted, Cause::Manual, "an instance was terminated by name", now);
        }
        self.retire(number, Cause::Manual, "asked for", now);
        Ok(())
    }

    /// Asks the provider to end it. Until its name is known it can't be: then lists say whether it is there at all.
    pub(super) fn ask_for_end(&mut self, number: u64, now: Timestamp) {
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        let Lifecycle::TerminatingProceed { attempts, retry } = &mut instance.lifecycle else { return };
        let Some(id) = instance.id.clone() else {
            *retry = now + NAMELESS;
            return;
        };
        (*attempts, *retry) = (attempts.saturating_add(1), now + ANSWER);
        self.actions.push(Action::Terminate { token: instance.token.clone(), id });
    }

    /// The provider answered.
    pub(super) fn terminated(&mut self, token: &Token, result: &Result<(), ProviderError>, now: Timestamp) {
        let Some(number) = self.state.number_of(token) else { return };
        let chance = self.state.chance(number);
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        let Lifecycle::TerminatingProceed { attempts, retry } = &mut instance.lifecycle else { return };
        match result {
            Ok(()) => self.enter(number, Lifecycle::ShuttingDown, now),
            Err(_) => *retry = now + backoff(*attempts, chance),
        }
    }
}
