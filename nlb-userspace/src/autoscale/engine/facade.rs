//! One group's engine: what goes in, what comes out, what can be seen.

use super::action::Action;
use super::command::{Command, Refused};
use super::event::{Event, Gauge};
use super::explanation::Explanation;
use super::state::State;
use crate::autoscale::model::{
    Activity, AutoscalingGroup, Bounds, Cause, Instance, LaunchTemplate, Lifecycle, Policy, Process, Processes, Refresh,
};
use crate::autoscale::policy::{Hold, Memory, combine};
use crate::model::Timestamp;

/// The engine of one autoscaling group.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) group: AutoscalingGroup,
    pub(super) state: State,
    /// What is to be done, since the last event.
    pub(super) actions: Vec<Action>,
    /// When a schedule runs next; found out anew when `None`.
    pub(super) schedule_due: Option<Option<Timestamp>>,
}

impl Engine {
    /// A group without instances. It launches with the first event. `seed` is what chance is made of.
    pub fn new(group: AutoscalingGroup, seed: u64) -> Self {
        let state = State::new(&group, seed);
        Self { group, state, actions: Vec::new(), schedule_due: None }
    }

    /// Goes on from a kept state, perhaps with another configuration: whatever isn't known to be done is asked for again.
    pub fn resume(group: AutoscalingGroup, state: State, now: Timestamp) -> (Self, Vec<Action>) {
        let mut engine = Self { group: group.clone(), state, actions: Vec::new(), schedule_due: None };
        engine.ask_again(now);
        engine.configure(group, now);
        let actions = engine.settle(now);
        (engine, actions)
    }

    /// Takes in what happened and says what is to be done, after [`state`](Self::state) is kept.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        match event {
            Event::Tick => {}
            Event::Sampled { gauge: Gauge::Policy(name), sample } => {
                let situation = self.situation(now);
                if let Some(policy) = self.group.policies.iter().find(|policy| policy.name == name) {
                    self.state.memories.entry(name).or_default().observe(policy, sample, &situation);
                }
            }
            Event::Sampled { gauge: Gauge::RefreshAlarm(index), sample } => self.refresh_alarm(index, &sample, now),
            Event::Forecast { policy: name, points } => {
                if self.group.policies.iter().any(|policy| policy.name == name) {
                    self.state.memories.entry(name).or_default().foresee(points);
                }
            }
            Event::Launched { token, result } => self.launched(&token, result, now),
            Event::Terminated { token, result } => self.terminated(&token, &result, now),
            Event::Listed { asked, instances } => self.listed(asked, instances, now),
            Event::Health { token, health } => self.health(&token, health, now),
            Event::Flows { token, flows } => {
                let number = self.state.number_of(&token);
                if let Some(instance) = number.and_then(|number| self.state.instances.get_mut(&number)) {
                    instance.flows = Some(flows);
                }
            }
            Event::Drained { token } => self.drained(&token, now),
            Event::HookEnded { token, hook, result } => {
                // One that nothing waits for any more was overtaken by its time limit.
                if let Some(number) = self.waiting_for(&token, &hook) {
                    self.hook_ended(number, result, now);
                }
            }
        }
        self.settle(now)
    }

    /// Does what is asked for, or says why not; in that case nothing has changed. The state is to be kept also when nothing is
    /// to be done: somebody was told that it was.
    pub fn command(&mut self, command: Command, now: Timestamp) -> Result<Vec<Action>, Refused> {
        self.obey(command, now)?;
        Ok(self.settle(now))
    }

    /// Takes another configuration. A state that schedules, people and policies made is kept where it still fits.
    pub fn reconfigure(&mut self, group: AutoscalingGroup, now: Timestamp) -> Vec<Action> {
        self.configure(group, now);
        self.settle(now)
    }

    /// Everything that there is to do now, in the order in which one thing leads to another.
    fn settle(&mut self, now: Timestamp) -> Vec<Action> {
        self.run_schedules(now);
        self.scale(now);
        self.condemn(now);
        self.go_on_with_refresh(now);
        self.scale_in(now);
        self.replace(now);
        self.fill(now);
        self.keep_warm_pool(now);
        self.advance(now);
        self.ask_for_launches(now);
        std::mem::take(&mut self.actions)
    }

    /// Asks the policies, and does what they make of it.
    fn scale(&mut self, now: Timestamp) {
        let situation = self.situation(now);
        let nothing = Memory::default();
        let memory = |policy: &Policy| self.state.memories.get(&policy.name).unwrap_or(&nothing);
        let known = self.group.policies.iter().map(|policy| (policy, memory(policy)));
        let mut decision = combine(known, &situation);
        let process = Process::AlarmNotification;
        if self.is_suspended(process) && decision.desired != situation.desired {
            decision.held.push(Hold::Suspended { process });
            (decision.desired, decision.won, decision.max) = (situation.desired, None, situation.bounds.max);
        }
        if let Some(name) = decision.won.clone() {
            let to = decision.desired;
            let out = to > situation.desired;
            let acted = decision.wishes.iter().filter(|wish| wish.wants(out)).map(|wish| &wish.policy);
            for policy in acted {
                self.state.memories.entry(policy.clone()).or_default().acted(out, now);
            }
            let figures = decision.wishes.iter().find(|wish| wish.policy == name).map(ToString::to_string);
            self.set_desired(to, Cause::Policy(name), &figures.unwrap_or_default(), now);
        }
        let within = self.state.desired.min(decision.max).max(self.state.bounds.min);
        self.set_desired(within, Cause::Bounds, "the bounds", now);
        self.state.explanation = Some(Explanation {
            at: now,
            before: situation.desired,
            decision,
            bounds: self.state.bounds,
            serving: situation.serving,
            warming: situation.warming,
            last_change: None,
            held: Vec::new(),
        });
    }

    /// What is to be kept, and resumed from.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The group, as configured.
    pub fn group(&self) -> &AutoscalingGroup {
        &self.group
    }

    /// The capacity that the group is to have.
    pub fn desired(&self) -> u32 {
        self.state.desired
    }

    /// Between what the capacity stays: as configured, or as a schedule made it.
    pub fn bounds(&self) -> Bounds {
        self.state.bounds
    }

    /// What instances are launched from now.
    pub fn template(&self) -> &LaunchTemplate {
        &self.state.template
    }

    /// All instances that there are or may be, in the order of their numbers.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.state.instances.values()
    }

    /// The instances that metrics are of: in service, warm and healthy.
    pub fn measured(&self, now: Timestamp) -> impl Iterator<Item = &Instance> {
        let serves = move |instance: &&Instance| instance.unhealthy.is_none() && self.is_warm(instance, now);
        self.state.instances.values().filter(|instance| instance.lifecycle == Lifecycle::InService).filter(serves)
    }

    /// The refresh under way, or the last one.
    pub fn refresh(&self) -> Option<&Refresh> {
        self.state.refresh.as_ref()
    }

    /// What is suspended.
    pub fn suspended(&self) -> &Processes {
        &self.state.suspended
    }

    /// What was done, the oldest first.
    pub fn activities(&self) -> impl DoubleEndedIterator<Item = &Activity> {
        self.state.activities.iter()
    }

    /// Why the capacity is what it is; `None` before the first event.
    pub fn explanation(&self, now: Timestamp) -> Option<Explanation> {
        let mut explanation = self.state.explanation.clone()?;
        explanation.last_change = self.state.last_change.clone();
        explanation.held = self.held(now);
        Some(explanation)
    }

    pub(super) fn is_suspended(&self, process: Process) -> bool {
        self.state.suspended.contains(&process)
    }
}
