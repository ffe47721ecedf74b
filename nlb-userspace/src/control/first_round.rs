//! A group's first ring: filled once, when it is known which of its targets are well.
//!
//! Targets pass their first checks one by one. Were each to get slots at once, most slots of a first ring would change their
//! target, so would be in transition for an idle timeout, and would be it from other targets on each edge, as chance has it:
//! an edge that joins others would take their flows to whichever target was first. So a ring that never named a target stays
//! empty until its targets' first round of checks is over, and is then filled like every other edge's, without a transition.
//! Clients send again what comes meanwhile; a reset they would believe.

use std::time::Duration;

use super::event::{Health, NoNextHop};
use super::state::State;
use crate::model::{HealthCheck, Target, TargetGroup, Timestamp};

/// The longest that traffic waits for a target, whatever the settings of its checks.
const LONGEST: Duration = Duration::from_secs(30);

impl State {
    /// Whether the ring of `group` has never named a target.
    pub(super) fn is_fresh(&self, group: &TargetGroup) -> bool {
        let ring = self.rings.get(&self.tag_of(group));
        ring.is_none_or(|ring| ring.slots.iter().all(|slot| slot.current() == 0 && slot.previous() == 0))
    }

    /// Until when a fresh group waits for `target`; `None`: its first round is over, or it gets no flows anyway.
    pub(super) fn awaited_until(&self, group: &TargetGroup, target: &Target, now: Timestamp) -> Option<Timestamp> {
        let key = group.key(target);
        let condition = self.conditions.get(&key)?;
        let is_known = match condition.health {
            Health::Initial => condition.has_failed,
            Health::Healthy => self.next_hops.get(&target.address) != Some(&Err(NoNextHop::Pending)),
            Health::Unhealthy => true,
        };
        let gets_flows = target.weight.get() > 0 && !self.drains.contains_key(&key);
        let until = condition.since + longest(&group.health_check);
        (gets_flows && !is_known && now < until).then_some(until)
    }

    /// When a fresh group stops to wait for one of its targets.
    pub(super) fn first_round_due(&self, now: Timestamp) -> Option<Timestamp> {
        let fresh = self.groups.iter().filter(|group| self.is_fresh(group));
        fresh.flat_map(|group| group.targets.iter().filter_map(|target| self.awaited_until(group, target, now))).min()
    }
}

/// How long the first round of a target that is well may take: as many checks as make it healthy, each answered late, and
/// the time until the first of them is due.
fn longest(check: &HealthCheck) -> Duration {
    let checks = (check.fast_interval + check.timeout) * check.healthy_threshold;
    (check.fast_interval + checks).min(LONGEST)
}
