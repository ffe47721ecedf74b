//! Lifecycle hooks: what holds an instance on its way into service and out of it, one after the other.

use std::time::Duration;

use super::action::Action;
use super::facade::Engine;
use crate::autoscale::model::{Hook, HookResult, Lifecycle, Token, Transition, Wait};
use crate::model::{Name, Timestamp};

/// All hooks of a transition together hold an instance no longer, nor for more than a hundred heartbeats.
const LONGEST: Duration = Duration::from_secs(48 * 3600);

impl Engine {
    /// Waits for the first hook of a transition, or the one after `done`. False when there is none.
    pub(super) fn next_hook(&mut self, number: u64, at: Transition, done: Option<&Wait>, now: Timestamp) -> bool {
        let mut hooks = self.group.hooks.iter().filter(|hook| hook.at == at);
        if let Some(done) = done {
            // A hook that was configured away is the last one: where in the row it was is not known.
            hooks.by_ref().find(|hook| hook.name == done.hook);
        }
        let Some(hook) = hooks.next() else { return false };
        let longest = hook.heartbeat.saturating_mul(100).min(LONGEST);
        let latest = done.map_or(now + longest, |done| done.latest.min(now + longest));
        let wait = Wait { hook: hook.name.clone(), until: (now + hook.heartbeat).min(latest), latest };
        let stage = match at {
            Transition::Launch => Lifecycle::PendingWait(wait),
            Transition::Terminate => Lifecycle::TerminatingWait(wait),
        };
        self.enter(number, stage, now);
        self.run_hook(number);
        true
    }

    /// The instance with this token, if this hook holds it.
    pub(super) fn waiting_for(&self, token: &Token, hook: &Name) -> Option<u64> {
        let number = self.state.number_of(token)?;
        let (_, wait) = self.state.instances.get(&number)?.lifecycle.wait()?;
        (&wait.hook == hook).then_some(number)
    }

    /// Asks for what the hook that holds the instance is for.
    pub(super) fn run_hook(&mut self, number: u64) {
        let Some((at, wait)) = self.wait_of(number) else { return };
        let Some(instance) = self.state.instances.get(&number) else { return };
        let command = self.hook(&wait.hook).map(|hook| hook.command.clone()).unwrap_or_default();
        let (token, id) = (instance.token.clone(), instance.id.clone());
        self.actions.push(Action::RunHook { token, id, hook: wait.hook, at, command });
    }

    /// The hook that holds the instance has a result.
    pub(super) fn hook_ended(&mut self, number: u64, result: HookResult, now: Timestamp) {
        let Some((at, wait)) = self.wait_of(number) else { return };
        let goes_on = result == HookResult::Continue;
        match at {
            Transition::Launch if !goes_on => self.fail(number, &format!("hook `{}` abandoned it", wait.hook), now),
            Transition::Launch if !self.next_hook(number, at, Some(&wait), now) => self.after_launch_hooks(number, now),
            Transition::Terminate if !goes_on || !self.next_hook(number, at, Some(&wait), now) => {
                self.after_terminate_hooks(number, now);
            }
            Transition::Launch | Transition::Terminate => {}
        }
    }

    /// Nothing was heard of the hook that holds the instance. One that was configured away holds it no longer.
    pub(super) fn hook_timed_out(&mut self, number: u64, now: Timestamp) {
        let Some((_, wait)) = self.wait_of(number) else { return };
        let result = self.hook(&wait.hook).map_or(HookResult::Continue, |hook| hook.default_result);
        self.hook_ended(number, result, now);
    }

    /// The hook that holds the instance still works.
    pub(super) fn heartbeat(&mut self, number: u64, now: Timestamp) {
        let Some((_, wait)) = self.wait_of(number) else { return };
        let Some(heartbeat) = self.hook(&wait.hook).map(|hook| hook.heartbeat) else { return };
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        if let Lifecycle::PendingWait(wait) | Lifecycle::TerminatingWait(wait) = &mut instance.lifecycle {
            wait.until = (now + heartbeat).min(wait.latest);
        }
    }

    fn hook(&self, name: &Name) -> Option<&Hook> {
        self.group.hooks.iter().find(|hook| &hook.name == name)
    }

    fn wait_of(&self, number: u64) -> Option<(Transition, Wait)> {
        let (at, wait) = self.state.instances.get(&number)?.lifecycle.wait()?;
        Some((at, wait.clone()))
    }
}
