//! A target's life as the packet path sees it: what it may still do, how it leaves, and how it begins slowly.

use std::collections::BTreeMap;
use std::time::Duration;

use nlb_common::slot::TargetIndex;
use nlb_common::tables;

use super::event::Health;
use super::notice::Notice;
use super::state::State;
use super::transition::step::HANDSHAKE;
use crate::model::{
    Drain, DrainCause, FlowRules, FlowSettings, Name, Target, TargetGroup, TargetKey, Timestamp, Weight, drains_of,
};

/// Steps in which a slow start rises: each is a change of the ring.
const STEPS: u32 = 20;

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Flows are served.
    Serving,
    /// What is left is cut with its next packet.
    Cutting,
    /// Nothing is left to wait for.
    Over,
}

impl State {
    /// The targets of `group` that have entries: registered ones, then those that are leaving.
    pub(super) fn with_leaving<'a>(&'a self, group: &'a TargetGroup) -> impl Iterator<Item = &'a Target> + 'a {
        let leaving = drains_of(&self.drains, &group.name);
        let leaving = leaving.filter(|(_, drain)| drain.cause == DrainCause::Deregistered);
        group.targets.iter().chain(leaving.map(|(_, drain)| &drain.target))
    }

    /// The settings in force of a group's flows.
    pub(super) fn rules_of(&self, group: &Name) -> FlowRules {
        self.rules.get(group).copied().unwrap_or_else(|| FlowSettings::default().in_force([]))
    }

    /// How far the drain of `key` has come.
    pub(super) fn phase(&self, key: &TargetKey, drain: &Drain, now: Timestamp) -> Phase {
        let rules = self.rules_of(&key.group);
        if self.is_without_flows(key, drain, &rules) {
            Phase::Over
        } else if now < drain.ends {
            Phase::Serving
        } else if rules.connection_termination && now < drain.ends + rules.idle_timeout {
            Phase::Cutting
        } else {
            Phase::Over
        }
    }

    /// Whether a sweep that began after the drain, and after every handshake of before, found no pin of it, and no slot
    /// waits for unpinned ones, nor did when that sweep began. Half-open flows are in no table that is swept.
    fn is_without_flows(&self, key: &TargetKey, drain: &Drain, rules: &FlowRules) -> bool {
        if rules.uncounted {
            return false;
        }
        if rules.tracking == crate::model::Tracking::None {
            return true;
        }
        let Some(index) = self.target_indexes.get(&self.tag_of_target(key)) else { return true };
        let awaited = self.rings.values().any(|ring| ring.open.previous.contains(index));
        let handshake = Duration::from_secs(HANDSHAKE.into());
        let counted = self.counted.as_ref();
        let counted =
            counted.filter(|counted| counted.began > drain.began + handshake && !counted.awaited.contains(index));
        !awaited && counted.is_some_and(|counted| !counted.found.targets.contains_key(&index))
    }

    /// Ends the drains that are over of targets that are registered no longer.
    pub(super) fn end_drains(&mut self, now: Timestamp, notices: &mut Vec<Notice>) {
        let over = |(key, drain): (&TargetKey, &Drain)| {
            let over = drain.cause == DrainCause::Deregistered && self.phase(key, drain, now) == Phase::Over;
            over.then(|| key.clone())
        };
        let over: Vec<TargetKey> = self.drains.iter().filter_map(over).collect();
        for key in over {
            self.drains.remove(&key);
            self.conditions.remove(&key);
            notices.push(Notice::Drained { target: key });
        }
    }

    /// When a drain, or the flows of a target that failed its checks, comes to its next phase.
    pub(super) fn life_due(&self, now: Timestamp) -> Option<Timestamp> {
        let drains = self.drains.iter().filter_map(|(key, drain)| {
            let idle = self.rules_of(&key.group).idle_timeout;
            match (self.phase(key, drain, now), drain.cause) {
                (Phase::Serving, _) => Some(drain.ends),
                (Phase::Cutting, _) => Some(drain.ends + idle),
                (Phase::Over, DrainCause::Deregistered) => Some(now),
                (Phase::Over, DrainCause::Command) => [drain.ends, drain.ends + idle].into_iter().find(|&at| at > now),
            }
        });
        let kept = self.groups.iter().filter(|group| !group.flows.unhealthy_draining_interval.is_zero());
        let failing = kept.flat_map(|group| group.targets.iter().map(move |target| (group, target)));
        let failing = failing.filter_map(|(group, target)| {
            let condition = self.conditions.get(&group.key(target))?;
            let ends = condition.since + group.flows.unhealthy_draining_interval;
            (condition.health == Health::Unhealthy && ends > now).then_some(ends)
        });
        drains.chain(failing).chain(self.rise_due(now)).min()
    }

    /// What a target may still do: the flags of its entry besides [`READY`](tables::Target::READY).
    pub(super) fn flags(&self, group: &TargetGroup, key: &TargetKey, is_member: bool, now: Timestamp) -> u8 {
        use tables::Target as Entry;
        let mut flags = 0;
        if let Some(drain) = self.drains.get(key) {
            flags |= Entry::DRAINING;
            let rules = self.rules_of(&group.name);
            if now >= drain.ends {
                let cutting = rules.connection_termination && now < drain.ends + rules.idle_timeout;
                flags |= if cutting { Entry::RESET } else { Entry::DEAD };
            }
        }
        let failed = self.conditions.get(key).filter(|condition| condition.health == Health::Unhealthy);
        // With fail open it gets flows all the same, so it has to serve them.
        if let Some(condition) = failed.filter(|_| !is_member) {
            let interval = group.flows.unhealthy_draining_interval;
            let kept = !group.flows.unhealthy_connection_termination
                && (interval.is_zero() || now < condition.since + interval);
            flags |= if kept { Entry::DRAINING } else { Entry::DEAD };
        }
        flags
    }

    /// The weights in force of a group's targets that are on their slow start.
    pub(super) fn rising(&self, group: &TargetGroup, now: Timestamp) -> BTreeMap<TargetKey, Weight> {
        let time = group.flows.slow_start;
        if time.is_zero() {
            return BTreeMap::new();
        }
        let targets = group.targets.iter().map(|target| (group.key(target), target));
        let healthy: Vec<_> = targets
            .filter_map(|(key, target)| {
                let condition = self.conditions.get(&key).filter(|condition| condition.health == Health::Healthy)?;
                Some((key, target.weight, condition.rises_from.filter(|&from| now < from + time)))
            })
            .collect();
        // Without others that have their share already there is nobody to take it over from slowly.
        if healthy.iter().all(|(_, _, from)| from.is_some()) {
            return BTreeMap::new();
        }
        let rising =
            healthy.into_iter().filter_map(|(key, weight, from)| Some((key, risen(weight, now.since(from?), time))));
        rising.collect()
    }

    fn rise_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.groups.iter().filter(|group| !group.flows.slow_start.is_zero()).flat_map(|group| {
            let step = group.flows.slow_start / STEPS;
            group.targets.iter().filter_map(move |target| {
                let from = self.conditions.get(&group.key(target))?.rises_from?;
                (1..=STEPS).map(|steps| from + step * steps).find(|&at| at > now)
            })
        });
        due.min()
    }

    /// Pins of that target, as last counted.
    pub(super) fn pins_of(&self, index: TargetIndex) -> Option<u64> {
        let counted = self.counted.as_ref()?;
        Some(counted.found.targets.get(&index).copied().unwrap_or(0))
    }
}

/// What of `weight` holds when `elapsed` of `time` has passed: a whole number of steps, one at least.
fn risen(weight: Weight, elapsed: Duration, time: Duration) -> Weight {
    let step = (time / STEPS).max(Duration::from_millis(1));
    let steps = u32::try_from(elapsed.as_millis() / step.as_millis()).unwrap_or(STEPS).clamp(1, STEPS);
    let part = u32::from(weight.get()) * steps / STEPS;
    let least = u32::from(weight.get().min(1));
    u16::try_from(part.max(least)).ok().and_then(Weight::new).unwrap_or(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_rises_in_even_steps_to_the_whole_weight() {
        let risen = |weight, seconds| {
            risen(Weight::new(weight).unwrap(), Duration::from_secs(seconds), Duration::from_secs(100)).get()
        };
        let cases = [
            (100, 0, 5),
            (100, 5, 5),
            (100, 10, 10),
            (100, 99, 95),
            (100, 100, 100),
            (100, 500, 100),
            (1, 0, 1),
            (0, 50, 0),
        ];
        for (weight, seconds, expected) in cases {
            assert_eq!(risen(weight, seconds), expected, "{weight} after {seconds} s");
        }
    }
}
