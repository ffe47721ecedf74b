//! Scheduled actions: what was due while nobody looked is done when somebody does.

use std::time::Duration;

use super::facade::Engine;
use crate::autoscale::model::{Bounds, Cause, Process, ScheduledAction};
use crate::model::Timestamp;

/// How far back a missed run is looked for, nearest first: only the last one counts, and a minute's schedule would have half a
/// million within a year.
const LOOK_BACK: [Duration; 4] = [hours(1), hours(25), hours(24 * 32), hours(24 * 366 * 8)];

const fn hours(number: u64) -> Duration {
    Duration::from_secs(number * 3600)
}

impl Engine {
    /// Runs what is due, each action once however often it was missed, in the order in which they were due last.
    pub(super) fn run_schedules(&mut self, now: Timestamp) {
        if self.schedule_due.is_some_and(|due| due.is_none_or(|due| now < due)) {
            return;
        }
        self.state.schedules.retain(|_, (kept, _)| self.group.schedules.contains(kept));
        let mut due: Vec<(Timestamp, ScheduledAction)> = Vec::new();
        for action in &self.group.schedules {
            let begin = || (action.clone(), now);
            let (_, until) = self.state.schedules.entry(action.name.clone()).or_insert_with(begin);
            due.extend(last_due(action, *until, now).map(|at| (at, action.clone())));
            *until = (*until).max(now);
        }
        due.sort_by_key(|(at, _)| *at);
        if !self.is_suspended(Process::ScheduledActions) {
            for (_, action) in due {
                self.run_schedule(&action, now);
            }
        }
        let next = self.group.schedules.iter().filter_map(|action| action.next_after(now)).min();
        self.schedule_due = Some(next);
    }

    fn run_schedule(&mut self, action: &ScheduledAction, now: Timestamp) {
        let old = self.state.bounds;
        let (min, max) = (action.min.unwrap_or(old.min), action.max.unwrap_or(old.max));
        // One that gives a single bound beyond the other moves both.
        let bounds =
            if action.max.is_some() { Bounds { min: min.min(max), max } } else { Bounds { min, max: max.max(min) } };
        self.state.bounds = bounds;
        let desired = bounds.clamp(action.desired.unwrap_or(self.state.desired));
        let why = format!("scheduled action `{}`", action.name);
        if bounds != old {
            let description =
                format!("bounds from {} to {} are {} to {}: {why}", old.min, old.max, bounds.min, bounds.max);
            self.state.activities.note(Cause::Schedule(action.name.clone()), description, now);
        }
        self.set_desired(desired, Cause::Schedule(action.name.clone()), &why, now);
    }
}

/// The last moment after `from`, until `now`, at which the action was due.
fn last_due(action: &ScheduledAction, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let runs = |from: Timestamp| {
        std::iter::successors(action.next_after(from), |at| action.next_after(*at)).take_while(|at| *at <= now)
    };
    LOOK_BACK.iter().find_map(|back| runs(from.max(now - *back)).last())
}
