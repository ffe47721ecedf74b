//! One target's health: `initial` → `healthy` ⇄ `unhealthy`, by outcomes in a row.
//!
//! Pure. The settings are passed in each time, so that new settings take effect without a new machine.

use std::time::Duration;

use super::probe::Outcome;
use crate::control::event::Health;
use crate::model::HealthCheck;

/// What is known of a target's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    health: Health,
    /// Why it is so, for people.
    reason: String,
    /// Passes in a row, up to now.
    passes: u32,
    /// Failures in a row, up to now.
    failures: u32,
    /// Whether any check failed, ever.
    has_failed: bool,
}

impl Machine {
    /// A target that is `begin` without having been asked.
    pub(super) fn new(begin: Health) -> Self {
        let reason = match begin {
            Health::Initial => "not checked yet",
            Health::Healthy | Health::Unhealthy => "as before the agent started",
        };
        Self { health: begin, reason: reason.to_owned(), passes: 0, failures: 0, has_failed: false }
    }

    /// What the target is.
    pub(super) fn health(&self) -> Health {
        self.health
    }

    /// Why, for people.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// Takes in one outcome. True when it is worth a report: it changed the health, or is the first failure of a target
    /// that is still at its first checks, which others need not wait for then.
    pub(super) fn observe(&mut self, check: &HealthCheck, outcome: &Outcome) -> bool {
        match &outcome.result {
            // Says nothing about the target: neither counts nor interrupts a row.
            Err(error) if error.is_local() => false,
            Ok(_) => {
                self.failures = 0;
                self.passes = self.passes.saturating_add(1);
                let enough = self.health != Health::Healthy && self.passes >= check.healthy_threshold;
                if enough {
                    self.health = Health::Healthy;
                    self.reason = format!("{0} of {0} checks passed", self.passes);
                }
                enough
            }
            Err(error) => {
                self.passes = 0;
                self.failures = self.failures.saturating_add(1);
                let is_first = !std::mem::replace(&mut self.has_failed, true) && self.health == Health::Initial;
                let enough = self.health != Health::Unhealthy && self.failures >= check.unhealthy_threshold;
                if enough {
                    self.health = Health::Unhealthy;
                    self.reason = format!("{0} of {0} checks failed: {error}", self.failures);
                } else if is_first {
                    self.reason = format!("a first check failed: {error}");
                }
                enough || is_first
            }
        }
    }

    /// Ends a row of outcomes without one: what was asked is no longer what is asked.
    pub(super) fn interrupt(&mut self) {
        self.passes = 0;
        self.failures = 0;
    }

    /// Time to the next check: the fast interval while a change is in the making.
    pub(super) fn interval(&self, check: &HealthCheck) -> Duration {
        let changing = match self.health {
            Health::Initial => true,
            Health::Healthy => self.failures > 0,
            Health::Unhealthy => self.passes > 0,
        };
        if changing { check.fast_interval } else { check.interval }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::probe::ProbeError;
    use super::*;

    fn outcome(kind: u8) -> Outcome {
        let result = match kind {
            0 => Err(ProbeError::ConnectionRefused),
            1 => Err(ProbeError::NoDescriptors),
            _ => Ok(Duration::from_millis(1)),
        };
        Outcome { result }
    }

    fn check(healthy_threshold: u32, unhealthy_threshold: u32) -> HealthCheck {
        HealthCheck { healthy_threshold, unhealthy_threshold, ..HealthCheck::default() }
    }

    #[test]
    fn reasons_are_for_people() {
        let check = check(2, 3);
        let mut machine = Machine::new(Health::Initial);
        assert!(!machine.observe(&check, &outcome(2)));
        assert!(machine.observe(&check, &outcome(2)));
        assert_eq!((machine.health(), machine.reason()), (Health::Healthy, "2 of 2 checks passed"));
        assert!(!machine.observe(&check, &outcome(0)));
        assert!(!machine.observe(&check, &outcome(0)));
        assert!(machine.observe(&check, &outcome(0)));
        assert_eq!(
            (machine.health(), machine.reason()),
            (Health::Unhealthy, "3 of 3 checks failed: connection refused")
        );
    }

    #[test]
    fn the_first_failure_of_a_new_target_is_told_once() {
        let check = check(2, 3);
        let mut machine = Machine::new(Health::Initial);
        assert!(machine.observe(&check, &outcome(0)));
        assert_eq!((machine.health(), machine.reason()), (Health::Initial, "a first check failed: connection refused"));
        for kind in [2, 0, 0] {
            assert!(!machine.observe(&check, &outcome(kind)));
        }
        assert!(
            !Machine::new(Health::Healthy).observe(&check, &outcome(0)),
            "of one that was in service it says nothing"
        );
    }

    #[test]
    fn a_lower_threshold_takes_effect_at_the_next_outcome() {
        let mut machine = Machine::new(Health::Healthy);
        assert!(!machine.observe(&check(2, 5), &outcome(0)));
        assert!(!machine.observe(&check(2, 5), &outcome(0)));
        assert!(machine.observe(&check(2, 2), &outcome(0)));
        assert_eq!(machine.reason(), "3 of 3 checks failed: connection refused");
    }

    proptest! {
        /// The model looks back over the whole history instead of counting.
        #[test]
        fn thresholds_are_rows_of_equal_outcomes(
            begin in prop_oneof![Just(Health::Initial), Just(Health::Healthy), Just(Health::Unhealthy)],
            healthy in 1_u32..=10,
            unhealthy in 1_u32..=10,
            kinds in prop::collection::vec(0_u8..8, 0..200),
            runs in prop::collection::vec(1_usize..6, 200),
        ) {
            let check = check(healthy, unhealthy);
            let mut machine = Machine::new(begin);
            let mut model = begin;
            let mut history = Vec::new();
            let outcomes = kinds.iter().zip(&runs).flat_map(|(&kind, &run)| std::iter::repeat_n(kind.min(3), run));
            for kind in outcomes {
                if kind != 1 {
                    history.push(kind != 0);
                }
                let ends_with = |passed: bool, n: u32| {
                    history.len() >= n as usize && history.iter().rev().take(n as usize).all(|&p| p == passed)
                };
                let before = model;
                let is_first = kind == 0 && model == Health::Initial && history.iter().filter(|&&p| !p).count() == 1;
                if kind != 1 && ends_with(true, healthy) {
                    model = Health::Healthy;
                } else if kind != 1 && ends_with(false, unhealthy) {
                    model = Health::Unhealthy;
                }
                prop_assert_eq!(machine.observe(&check, &outcome(kind)), model != before || is_first);
                prop_assert_eq!(machine.health(), model);
                let against = history.last().is_some_and(|&passed| passed != (model == Health::Healthy));
                let fast = model == Health::Initial || against;
                let expected = if fast { check.fast_interval } else { check.interval };
                prop_assert_eq!(machine.interval(&check), expected);
            }
        }
    }
}
