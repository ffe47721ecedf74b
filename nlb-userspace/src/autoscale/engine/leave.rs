//! An instance's way out of service: through the drain of its targets and the hooks, to its end or into the warm pool.

use super::action::Action;
use super::facade::Engine;
use crate::autoscale::model::{ActivityStatus, Cause, Lifecycle, Purpose, Token, Transition};
use crate::model::Timestamp;

impl Engine {
    /// Begins its end.
    pub(super) fn retire(&mut self, number: u64, cause: Cause, why: &str, now: Timestamp) {
        self.leave(number, Purpose::End, cause, why, now);
    }

    /// Takes it out of service for another purpose, through a drain if it is a target. What the provider was never asked for
    /// is gone at once.
    pub(super) fn leave(&mut self, number: u64, purpose: Purpose, cause: Cause, why: &str, now: Timestamp) {
        let Some(instance) = self.state.instances.get(&number) else { return };
        let token = instance.token.clone();
        match instance.lifecycle {
            Lifecycle::Launching { attempts: 0, .. } => {
                self.state.activities.end(&token, ActivityStatus::Cancelled, why, now);
                self.state.instances.remove(&number);
            }
            _ if is_leaving(&instance.lifecycle) => {}
            _ => {
                let registered = instance.registered;
                self.set_purpose(number, purpose);
                self.state.activities.begin(cause, format!("{} {token}: {why}", verb(purpose)), Some(&token), now);
                self.enter(number, Lifecycle::Draining, now);
                if registered {
                    self.actions.push(Action::Deregister { token });
                } else {
                    self.after_drain(number, now);
                }
            }
        }
    }

    /// Its targets are gone.
    pub(super) fn drained(&mut self, token: &Token, now: Timestamp) {
        let Some(number) = self.state.number_of(token) else { return };
        if self.state.instances.get(&number).is_some_and(|instance| instance.lifecycle == Lifecycle::Draining) {
            self.after_drain(number, now);
        }
    }

    /// Nothing is sent to it any more.
    pub(super) fn after_drain(&mut self, number: u64, now: Timestamp) {
        let Some(instance) = self.state.instances.get_mut(&number) else { return };
        instance.registered = false;
        if instance.purpose == Purpose::Wait {
            return self.enter_warm_pool(number, now);
        }
        if !self.next_hook(number, Transition::Terminate, None, now) {
            self.after_terminate_hooks(number, now);
        }
    }

    /// No hook holds it any more on its way out.
    pub(super) fn after_terminate_hooks(&mut self, number: u64, now: Timestamp) {
        self.enter(number, Lifecycle::TerminatingProceed { attempts: 0, retry: now }, now);
        self.ask_for_end(number, now);
    }

    /// It is gone.
    pub(super) fn gone(&mut self, number: u64, now: Timestamp) {
        if let Some(instance) = self.state.instances.remove(&number) {
            self.state.activities.end(&instance.token, ActivityStatus::Successful, "", now);
        }
    }
}

/// Whether an instance with this lifecycle is on its way out.
pub(super) fn is_leaving(lifecycle: &Lifecycle) -> bool {
    matches!(
        lifecycle,
        Lifecycle::Draining
            | Lifecycle::TerminatingWait(_)
            | Lifecycle::TerminatingProceed { .. }
            | Lifecycle::ShuttingDown
    )
}

/// What is done with an instance that leaves for this purpose.
fn verb(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::End => "terminate",
        Purpose::Wait | Purpose::Serve => "put into the warm pool",
    }
}
