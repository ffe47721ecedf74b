//! A load balancer: it checks its targets, and drains them.

use super::World;
use crate::autoscale::engine::Event;
use crate::autoscale::model::Token;
use crate::model::Timestamp;

/// A target of the load balancer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::autoscale::engine::tests) enum Target {
    Serves { healthy: bool },
    Drains { until: Timestamp },
}

impl World {
    /// Targets that get traffic and can serve it.
    pub(in crate::autoscale::engine::tests) fn serving_targets(&self) -> u32 {
        let serves = |target: &&Target| **target == Target::Serves { healthy: true };
        u32::try_from(self.targets.values().filter(serves).count()).expect("few")
    }

    /// Targets become what their machines are.
    pub(super) fn tell_health(&mut self) {
        let mut told = Vec::new();
        for (token, target) in &mut self.targets {
            let Target::Serves { healthy } = target else { continue };
            let machine = self.machines.values().find(|machine| &machine.token == token);
            let runs =
                machine.is_some_and(|machine| machine.is_well && !machine.is_stopped && self.now >= machine.runs_from);
            if runs != std::mem::replace(healthy, runs) || !runs {
                told.push((token.clone(), if runs { Ok(()) } else { Err("connection refused".to_owned()) }));
            }
        }
        for (token, health) in told {
            self.tell(Event::Health { token, health });
        }
        // An agent tells all that it knows when it starts.
        let well: Vec<Token> = self
            .targets
            .iter()
            .filter(|(_, target)| **target == Target::Serves { healthy: true })
            .map(|(token, _)| token.clone())
            .collect();
        for token in well {
            self.tell(Event::Health { token, health: Ok(()) });
        }
    }

    pub(super) fn tell_drains(&mut self) {
        let is_over = |target: &Target| matches!(target, Target::Drains { until } if *until <= self.now);
        let over: Vec<Token> =
            self.targets.iter().filter(|(_, target)| is_over(target)).map(|(token, _)| token.clone()).collect();
        for token in over {
            self.targets.remove(&token);
            self.tell(Event::Drained { token });
        }
    }
}
