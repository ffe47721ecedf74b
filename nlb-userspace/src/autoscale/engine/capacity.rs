//! The desired capacity, and what else people and configurations change.

use super::command::{Command, Refused};
use super::explanation::LastChange;
use super::facade::Engine;
use super::leave::is_leaving;
use crate::autoscale::model::{AutoscalingGroup, Cause, LaunchTemplate, Process, TemplateVersion, Token};
use crate::autoscale::policy::Hold;
use crate::model::Timestamp;

impl Engine {
    /// Makes the capacity `desired`, because of `cause`; `why` are the figures that led there, for people.
    pub(super) fn set_desired(&mut self, desired: u32, cause: Cause, why: &str, now: Timestamp) {
        let from = std::mem::replace(&mut self.state.desired, desired);
        if from != desired {
            let description = format!("capacity from {from} to {desired}: {why}");
            self.state.activities.note(cause.clone(), description, now);
            self.state.last_change = Some(LastChange { at: now, cause, from, to: desired });
        }
    }

    /// Takes another configuration. What schedules and people changed holds until what they changed is configured otherwise.
    pub(super) fn configure(&mut self, group: AutoscalingGroup, now: Timestamp) {
        if group.bounds != self.state.configured {
            (self.state.bounds, self.state.configured) = (group.bounds, group.bounds);
            self.set_desired(group.bounds.clamp(self.state.desired), Cause::Bounds, "other bounds are configured", now);
        }
        if group.template != self.state.configured_template {
            self.configure_template(group.template.clone());
        }
        self.state.memories.retain(|name, _| group.policies.iter().any(|policy| &policy.name == name));
        self.schedule_due = None;
        let is_elsewhere = group.target_groups != self.group.target_groups;
        self.group = group;
        if is_elsewhere {
            let registered = self.state.instances.values().filter(|one| one.registered && !is_leaving(&one.lifecycle));
            let numbers: Vec<u64> = registered.map(|instance| instance.number).collect();
            for number in numbers {
                self.register(number);
            }
        }
    }

    /// Takes another template. Its version is the one that it says, or the next one after all that there were.
    fn configure_template(&mut self, configured: LaunchTemplate) {
        let known = self.state.templates.iter().map(|template| template.version.version).max().unwrap_or_default();
        let mut template = configured.clone();
        template.version.version = template.version.version.max(known.saturating_add(1));
        self.state.configured_template = configured;
        self.state.configured_version = template.version.clone();
        self.launch_from(template);
        self.state.troubles.reset();
    }

    /// Launches from another template from now on.
    pub(super) fn launch_from(&mut self, template: LaunchTemplate) {
        let is_used = |version: &TemplateVersion| self.state.instances.values().any(|one| &one.template == version);
        self.state.templates.retain(|kept| kept.version != template.version && is_used(&kept.version));
        self.state.templates.push(template.clone());
        self.state.template = template;
    }

    /// The template of this version, if it is still known.
    pub(super) fn template_of(&self, version: &TemplateVersion) -> Option<&LaunchTemplate> {
        self.state.templates.iter().find(|template| &template.version == version)
    }

    /// Does what people ask for.
    pub(super) fn obey(&mut self, command: Command, now: Timestamp) -> Result<(), Refused> {
        match command {
            Command::SetDesired(wanted) => {
                let bounds = self.state.bounds;
                if bounds.clamp(wanted) != wanted {
                    return Err(Refused::OutOfBounds { wanted, bounds });
                }
                self.set_desired(wanted, Cause::Manual, "asked for", now);
            }
            Command::Suspend(process) => {
                self.state.suspended.insert(process);
            }
            Command::Resume(process) => {
                self.state.suspended.remove(&process);
                if process == Process::AddToLoadBalancer && !self.group.target_groups.is_empty() {
                    self.register_missed();
                }
            }
            Command::Protect { token, protected } => {
                let number = self.known(&token)?;
                if let Some(instance) = self.state.instances.get_mut(&number) {
                    instance.protected = protected;
                }
            }
            Command::Terminate { token, decrement } => self.terminate_by_name(&token, decrement, now)?,
            Command::CompleteHook { token, hook, result } => {
                self.known(&token)?;
                let waiting = self.waiting_for(&token, &hook);
                let number = waiting.ok_or(Refused::NotWaiting { token, hook })?;
                self.hook_ended(number, result, now);
            }
            Command::Heartbeat { token, hook } => {
                self.known(&token)?;
                let waiting = self.waiting_for(&token, &hook);
                let number = waiting.ok_or(Refused::NotWaiting { token, hook })?;
                self.heartbeat(number, now);
            }
            Command::StartRefresh { template, settings } => self.start_refresh(template, settings, now)?,
            Command::CancelRefresh => self.cancel_refresh(now)?,
            Command::RollbackRefresh => self.roll_back_refresh("asked for", now)?,
        }
        Ok(())
    }

    /// What keeps the group from its capacity.
    pub(super) fn held(&self, now: Timestamp) -> Vec<Hold> {
        let census = self.census(now);
        let mut held: Vec<Hold> = Vec::new();
        if census.good < self.state.desired || self.awaits_launch() {
            held.extend(self.state.troubles.holds(now));
            if self.launches_left(now) == 0 {
                held.push(Hold::LaunchLimit);
            }
            held.extend(self.suspended_hold(Process::Launch));
        }
        if census.good > self.state.desired {
            let protected = || Hold::Protected { instances: census.good - self.state.desired };
            held.push(self.suspended_hold(Process::Terminate).unwrap_or_else(protected));
        }
        held
    }

    fn suspended_hold(&self, process: Process) -> Option<Hold> {
        self.is_suspended(process).then_some(Hold::Suspended { process })
    }

    /// The number of an instance that people name.
    pub(super) fn known(&self, token: &Token) -> Result<u64, Refused> {
        self.state.number_of(token).ok_or_else(|| Refused::UnknownInstance(token.clone()))
    }
}
