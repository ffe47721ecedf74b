//! An instance's way into service, and how it goes on by itself from one stage to the next.

use std::time::Duration;

use super::action::Action;
use super::facade::Engine;
use crate::autoscale::model::{ActivityStatus, Cause, Instance, Lifecycle, Process, Purpose, Transition};
use crate::model::Timestamp;

/// A provider has so long to make an instance run.
const PATIENCE_LAUNCH: Duration = Duration::from_secs(900);

/// Targets have so long to drain, whatever their groups say: no drain goes on for ever.
const PATIENCE_DRAIN: Duration = Duration::from_secs(3900);

/// A provider has so long to end an instance before it is told again.
const PATIENCE_SHUTDOWN: Duration = Duration::from_secs(120);

impl Engine {
    /// Moves every instance on as far as it can go by itself.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let numbers: Vec<u64> = self.state.instances.keys().copied().collect();
        for number in numbers {
            let Some(instance) = self.state.instances.get(&number) else { continue };
            let waited = now.since(instance.since);
            match &instance.lifecycle {
                Lifecycle::Pending if waited >= PATIENCE_LAUNCH => {
                    self.fail(number, &format!("not running after {} s", waited.as_secs()), now);
                }
                Lifecycle::PendingProceed => self.proceed(number, now),
                Lifecycle::PendingWait(wait) | Lifecycle::TerminatingWait(wait)
                    if now >= wait.until.min(wait.latest) =>
                {
                    self.hook_timed_out(number, now);
                }
                Lifecycle::Draining if waited >= PATIENCE_DRAIN => self.after_drain(number, now),
                Lifecycle::TerminatingProceed { retry, .. } if now >= *retry => self.ask_for_end(number, now),
                Lifecycle::ShuttingDown if waited >= PATIENCE_SHUTDOWN => {
                    self.enter(number, Lifecycle::TerminatingProceed { attempts: 0, retry: now }, now);
                }
                _ => {}
            }
        }
    }

    /// Enters a stage.
    pub(super) fn enter(&mut self, number: u64, lifecycle: Lifecycle, now: Timestamp) {
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        self.state.activities.progress(&instance.token, progress(&lifecycle));
        (instance.lifecycle, instance.since) = (lifecycle, now);
    }

    pub(super) fn set_purpose(&mut self, number: u64, purpose: Purpose) {
        if let Some(instance) = self.state.instances.get_mut(&number) {
            instance.purpose = purpose;
        }
    }

    /// The provider says that it runs, and where.
    pub(super) fn runs(&mut self, number: u64, now: Timestamp) {
        if !self.next_hook(number, Transition::Launch, None, now) {
            self.after_launch_hooks(number, now);
        }
    }

    /// No hook holds it any more on its way into service, or into the warm pool.
    pub(super) fn after_launch_hooks(&mut self, number: u64, now: Timestamp) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        if instance.purpose == Purpose::Wait {
            return self.enter_warm_pool(number, now);
        }
        self.enter(number, Lifecycle::PendingProceed, now);
        self.proceed(number, now);
    }

    /// Makes it a target, and gives it up when it is none for too long.
    fn proceed(&mut self, number: u64, now: Timestamp) {
        let is_target = !self.group.target_groups.is_empty() && !self.is_suspended(Process::AddToLoadBalancer);
        let is_checked = !self.is_suspended(Process::HealthCheck);
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        if !instance.registered && !is_target {
            return self.begin_service(number, now);
        }
        let waited = now.since(instance.since);
        if !std::mem::replace(&mut instance.registered, true) {
            self.register(number);
        } else if is_checked && waited >= self.group.grace_period {
            let reason = instance.unhealthy.as_ref().map(|(reason, _)| format!(": {reason}")).unwrap_or_default();
            self.fail(number, &format!("not healthy after {} s{reason}", waited.as_secs()), now);
        }
    }

    /// Asks that it become a target.
    pub(super) fn register(&mut self, number: u64) {
        let groups = self.group.target_groups.clone();
        let Some(instance) = self.state.instances.get(&number) else { return };
        if let Some(address) = instance.address {
            let (token, port, zone) = (instance.token.clone(), instance.port, instance.zone.clone());
            self.actions.push(Action::Register { token, address, port, zone, groups });
        }
    }

    /// Makes targets of those that came into service while nothing was made a target.
    pub(super) fn register_missed(&mut self) {
        let missed = |one: &&mut Instance| one.lifecycle == Lifecycle::InService && !one.registered;
        let mut numbers = Vec::new();
        for instance in self.state.instances.values_mut().filter(missed) {
            instance.registered = true;
            numbers.push(instance.number);
        }
        for number in numbers {
            self.register(number);
        }
    }

    /// It serves.
    pub(super) fn begin_service(&mut self, number: u64, now: Timestamp) {
        self.enter(number, Lifecycle::InService, now);
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        (instance.in_service, instance.unhealthy) = (Some(now), None);
        self.state.activities.end(&instance.token, ActivityStatus::Successful, "", now);
        self.state.troubles.clear(instance.zone.as_ref());
        self.refresh_launch_succeeded(number);
    }

    /// It never came into service: it goes, and launches in its zone rest.
    pub(super) fn fail(&mut self, number: u64, reason: &str, now: Timestamp) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        let (token, zone) = (instance.token.clone(), instance.zone.clone());
        self.state.activities.end(&token, ActivityStatus::Failed, reason, now);
        self.state.troubles.add(zone.as_ref(), reason.to_owned(), self.state.chance(number), now);
        self.refresh_launch_failed(number, reason, now);
        self.retire(number, Cause::FailedLaunch, reason, now);
    }

    /// Whatever isn't known to be done is asked for again: an agent before this one may have died before it did it. What it was
    /// told since it last kept its state is told again, so what is waited for is waited for anew.
    pub(super) fn ask_again(&mut self, now: Timestamp) {
        let numbers: Vec<u64> = self.state.instances.keys().copied().collect();
        for number in numbers {
            let Some(instance) = self.state.instances.get_mut(&number) else { continue };
            if instance.condemned.is_none() {
                instance.unhealthy = None;
            }
            match &mut instance.lifecycle {
                Lifecycle::Launching { retry, .. } | Lifecycle::TerminatingProceed { retry, .. } => *retry = now,
                Lifecycle::InService if instance.registered => self.register(number),
                Lifecycle::PendingProceed if instance.registered => {
                    instance.since = now;
                    self.register(number);
                }
                Lifecycle::Draining => {
                    instance.since = now;
                    self.actions.push(Action::Deregister { token: instance.token.clone() });
                }
                Lifecycle::PendingWait(_) | Lifecycle::TerminatingWait(_) => self.run_hook(number),
                // Lists tell about these.
                Lifecycle::Pending | Lifecycle::ShuttingDown => instance.since = now,
                Lifecycle::PendingProceed | Lifecycle::InService | Lifecycle::Warmed => {}
            }
        }
    }
}

/// How far a launch or a termination has come at a stage, in percent.
fn progress(lifecycle: &Lifecycle) -> u8 {
    match lifecycle {
        Lifecycle::Launching { .. } => 0,
        Lifecycle::Draining => 10,
        Lifecycle::Pending => 25,
        Lifecycle::PendingWait(_) | Lifecycle::TerminatingWait(_) => 50,
        Lifecycle::PendingProceed | Lifecycle::TerminatingProceed { .. } => 75,
        Lifecycle::ShuttingDown => 90,
        Lifecycle::InService | Lifecycle::Warmed => 100,
    }
}

/// An instance that is about to be launched.
pub(super) fn new_instance(engine: &Engine, number: u64, purpose: Purpose, now: Timestamp) -> Instance {
    Instance {
        token: engine.token(number),
        number,
        id: None,
        address: None,
        port: engine.state.template.port,
        zone: None,
        template: engine.state.template.version.clone(),
        lifecycle: Lifecycle::Launching { attempts: 0, retry: now },
        since: now,
        launched: now,
        in_service: None,
        protected: engine.group.protect_new,
        unhealthy: None,
        purpose,
        condemned: None,
        registered: false,
        flows: None,
        provided: None,
        missing: 0,
    }
}
