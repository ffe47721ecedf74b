//! The warm pool: instances that were launched ahead, and those that scale-in left over.

use super::action::Action;
use super::facade::Engine;
use crate::autoscale::model::{
    ActivityStatus, Cause, Instance, Lifecycle, Process, Purpose, Standing, WarmPool, WarmState,
};
use crate::model::Timestamp;

impl Engine {
    /// Keeps as many warm as should be, from the present template.
    pub(super) fn keep_warm_pool(&mut self, now: Timestamp) {
        let wanted = self.group.warm_pool.map_or(0, |pool| self.warm_wanted(pool));
        let is_old = |one: &Instance| one.lifecycle == Lifecycle::Warmed && one.template != self.state.template.version;
        let waiting = self.state.instances.values().filter(|one| one.purpose == Purpose::Wait);
        let (old, mut kept): (Vec<&Instance>, Vec<&Instance>) = waiting.partition(|one| is_old(one));
        // What is closest to being warm stays.
        kept.sort_by_key(|one| (one.lifecycle != Lifecycle::Warmed, one.number));
        let surplus = kept.iter().skip(wanted).filter(|one| one.lifecycle != Lifecycle::Draining);
        let leaving: Vec<u64> = old.iter().chain(surplus).map(|one| one.number).collect();
        let missing = wanted.saturating_sub(kept.len());
        if !self.is_suspended(Process::Terminate) {
            for number in leaving {
                self.retire(number, Cause::WarmPool, "not needed in the warm pool", now);
            }
        }
        if !self.is_suspended(Process::Launch) && self.state.listed.is_some() {
            for _ in 0..missing {
                self.create(Purpose::Wait, now);
            }
        }
    }

    /// Brings a warm instance on its way into service; false when there is none.
    pub(super) fn take_from_warm_pool(&mut self, now: Timestamp) -> bool {
        let version = &self.state.template.version;
        let fits = |one: &&Instance| one.lifecycle == Lifecycle::Warmed && &one.template == version;
        let Some(instance) = self.state.instances.values().find(fits) else { return false };
        let (number, token, standing) = (instance.number, instance.token.clone(), instance.provided);
        let description = format!("take {token} from the warm pool: {} wanted", self.state.desired);
        self.state.activities.begin(Cause::WarmPool, description, Some(&token), now);
        self.set_purpose(number, Purpose::Serve);
        self.enter(number, Lifecycle::Pending, now);
        let stops = self.group.warm_pool.is_some_and(|pool| pool.state == WarmState::Stopped);
        if stops || standing == Some(Standing::Stopped) {
            self.start(number);
        } else {
            self.runs(number, now);
        }
        true
    }

    /// It waits from now on.
    pub(super) fn enter_warm_pool(&mut self, number: u64, now: Timestamp) {
        self.enter(number, Lifecycle::Warmed, now);
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        (instance.purpose, instance.in_service, instance.unhealthy) = (Purpose::Wait, None, None);
        self.state.activities.end(&instance.token, ActivityStatus::Successful, "", now);
        self.state.troubles.clear(instance.zone.as_ref());
        if self.group.warm_pool.is_some_and(|pool| pool.state == WarmState::Stopped) {
            self.stop(number);
        }
    }

    /// Whether scale-in puts this instance into the warm pool instead of ending it.
    pub(super) fn has_use_in_warm_pool(&self, number: u64) -> bool {
        let Some(pool) = self.group.warm_pool.filter(|pool| pool.reuse_on_scale_in) else { return false };
        let is_well = |one: &Instance| one.lifecycle == Lifecycle::InService && one.unhealthy.is_none();
        let fits = |one: &Instance| is_well(one) && one.template == self.state.template.version;
        let waiting = self.state.instances.values().filter(|one| one.purpose == Purpose::Wait).count();
        self.state.instances.get(&number).is_some_and(fits) && waiting < self.warm_wanted(pool)
    }

    /// How many should be warm: what is prepared less what serves.
    fn warm_wanted(&self, pool: WarmPool) -> usize {
        let prepared = pool.prepared.unwrap_or(self.state.bounds.max);
        let wanted = prepared.saturating_sub(self.state.desired).max(pool.min);
        usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    /// Asks the provider to start it.
    pub(super) fn start(&mut self, number: u64) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        if let Some(id) = instance.id.clone() {
            self.actions.push(Action::Start { token: instance.token.clone(), id });
        }
    }

    /// Asks the provider to stop it.
    pub(super) fn stop(&mut self, number: u64) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        if let Some(id) = instance.id.clone() {
            self.actions.push(Action::Stop { token: instance.token.clone(), id });
        }
    }
}
