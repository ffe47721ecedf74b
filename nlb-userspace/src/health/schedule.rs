//! Whom to ask when: every target once per interval, all of them spread evenly.
//!
//! Pure: the caller passes the time in, starts the [`Job`]s that are due and hands their outcomes back.
//!
//! A target's checks lie on a grid of its own: check `k` is due `(k + phase + jitter(k)) × interval` after the epoch.
//! - `phase` is the target's place in the golden-ratio sequence, the most even way to go on adding points to a circle
//!   without moving the earlier ones: targets are apart from each other however many there are and whenever they came.
//!   It stays the target's for good, whichever interval is in force, so a reload, a mass failure or a mass recovery
//!   does not bring targets into step.
//! - `jitter(k)`, below an eighth, comes from a hash of the target, the seed and `k`: no check stays in step with what
//!   the target itself does periodically, nor with another edge's checks.
//!
//! A target is not in the queue while it is being asked, so it is never asked twice at a time; its next check is the
//! first of its grid that is half an interval after the last start and not yet past. A scheduler that comes late
//! therefore asks each overdue target once, not once for every interval missed, and [`Pace`] spreads those.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::checker::Checked;
use super::machine::Machine;
use super::pace::Pace;
use super::probe::Outcome;
use crate::control::event::{Health, HealthReport};
use crate::model::{HealthCheck, TargetKey, Timestamp};

/// A target's number within one schedule, never used again.
type Id = u64;

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A check to be made now.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What to hand back with the outcome.
    pub(super) id: Id,
    /// Who is asked.
    pub(super) target: TargetKey,
    /// Where.
    pub(super) address: SocketAddr,
    /// What, and for how long.
    pub(super) check: Arc<HealthCheck>,
}

/// All targets, and when each is due.
pub(super) struct Schedule {
    seed: u64,
    /// Checks that may be under way at a time.
    limit: usize,
    ids: HashMap<TargetKey, Id>,
    entries: HashMap<Id, Entry>,
    /// Entries that wait, by when they are due.
    queue: BTreeSet<(Timestamp, Id)>,
    in_flight: usize,
    next_id: Id,
    pace: Pace,
}

struct Entry {
    key: TargetKey,
    check: Arc<HealthCheck>,
    machine: Machine,
    grid: Grid,
    /// The interval in force, as the pace knows it.
    interval: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        due: Timestamp,
    },
    Asked {
        started: Timestamp,
        /// Whether what is asked is still what should be asked, of a target that is still here.
        counts: bool,
    },
    /// Removed while it was asked. Kept until the outcome is in, in case it is added again.
    Leaving {
        started: Timestamp,
    },
}

impl Schedule {
    /// No targets yet; at most `limit` checks under way at a time (1 at least).
    pub(super) fn new(seed: u64, limit: usize) -> Self {
        Self {
            seed,
            limit: limit.max(1),
            ids: HashMap::new(),
            entries: HashMap::new(),
            queue: BTreeSet::new(),
            in_flight: 0,
            next_id: 0,
            pace: Pace::default(),
        }
    }

    /// Makes `targets` the targets. One that was here keeps its health and its phase; with new settings it is asked
    /// again soon. Returns reports of those whose health is other than `begin` says: whoever wrote the list may have
    /// forgotten what was reported (a target removed and added again), and saying it twice does no harm.
    pub(super) fn sync(&mut self, targets: &[Checked], now: Timestamp) -> Vec<HealthReport> {
        let listed: HashSet<&TargetKey> = targets.iter().map(|target| &target.key).collect();
        let gone: Vec<TargetKey> = self.ids.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in gone {
            self.remove(&key);
        }
        targets.iter().filter_map(|target| self.put(target, now)).collect()
    }

    /// Whether this is one of the targets.
    pub(super) fn contains(&self, key: &TargetKey) -> bool {
        self.ids.get(key).is_some_and(|id| !matches!(self.entries[id].state, State::Leaving { .. }))
    }

    /// The next check that is due and may begin. Call until there is none.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Job> {
        if self.next_due()? > now {
            return None;
        }
        let (_, id) = self.queue.pop_first()?;
        let entry = self.entries.get_mut(&id)?;
        entry.state = State::Asked { started: now, counts: true };
        self.in_flight += 1;
        self.pace.start(now);
        let port = entry.check.port.unwrap_or(entry.key.port);
        Some(Job {
            id,
            target: entry.key.clone(),
            address: SocketAddr::new(entry.key.address, port),
            check: entry.check.clone(),
        })
    }

    /// When [`due`](Self::due) will have something, if nothing else happens before.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let (due, _) = self.queue.first()?;
        (self.in_flight < self.limit).then(|| self.pace.allowed().max(*due))
    }

    /// Takes in the outcome of a job. A report when it says something new of the
    /// target: another health, or that its first checks don't all pass.
    pub(super) fn finish(&mut self, id: Id, outcome: &Outcome, now: Timestamp) -> Option<HealthReport> {
        let entry = self.entries.get_mut(&id)?;
        let (started, changed) = match entry.state {
            State::Waiting { .. } => return None,
            State::Leaving { .. } => {
                self.in_flight -= 1;
                let entry = self.entries.remove(&id)?;
                self.ids.remove(&entry.key);
                return None;
            }
            State::Asked { started, counts } => (started, counts && entry.machine.observe(&entry.check, outcome)),
        };
        self.in_flight -= 1;
        let report = changed.then(|| entry.report());
        let interval = entry.machine.interval(&entry.check);
        self.wait(id, interval, now.max(started + interval / 2));
        report
    }

    fn put(&mut self, target: &Checked, now: Timestamp) -> Option<HealthReport> {
        let Some(&id) = self.ids.get(&target.key) else {
            self.add(target, now);
            return None;
        };
        let entry = self.entries.get_mut(&id)?;
        match entry.state {
            State::Leaving { started } => {
                entry.machine = Machine::new(target.begin);
                entry.check = target.check.clone();
                entry.interval = entry.machine.interval(&entry.check);
                entry.state = State::Asked { started, counts: false };
                self.pace.add(entry.interval);
                return None;
            }
            _ if entry.check == target.check => {}
            State::Asked { started, .. } => {
                entry.change(target);
                entry.state = State::Asked { started, counts: false };
            }
            State::Waiting { due } => {
                entry.change(target);
                let soon = entry.check.fast_interval;
                self.queue.remove(&(due, id));
                self.wait(id, soon, now);
            }
        }
        let entry = self.entries.get(&id)?;
        let known = entry.machine.health();
        (known != Health::Initial && known != target.begin).then(|| entry.report())
    }

    fn add(&mut self, target: &Checked, now: Timestamp) {
        let id = self.next_id;
        self.next_id += 1;
        let machine = Machine::new(target.begin);
        let interval = machine.interval(&target.check);
        self.pace.add(interval);
        let entry = Entry {
            key: target.key.clone(),
            check: target.check.clone(),
            grid: Grid::new(self.seed, id, &target.key),
            state: State::Waiting { due: now },
            machine,
            interval,
        };
        self.ids.insert(target.key.clone(), id);
        self.entries.insert(id, entry);
        self.wait(id, interval, now);
    }

    fn remove(&mut self, key: &TargetKey) {
        let Some(&id) = self.ids.get(key) else { return };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match entry.state {
            State::Leaving { .. } => {}
            State::Asked { started, .. } => {
                self.pace.remove(entry.interval);
                entry.state = State::Leaving { started };
            }
            State::Waiting { due } => {
                self.pace.remove(entry.interval);
                self.queue.remove(&(due, id));
                self.entries.remove(&id);
                self.ids.remove(key);
            }
        }
    }

    /// Queues the entry for its first check of that interval at or after `from`.
    fn wait(&mut self, id: Id, interval: Duration, from: Timestamp) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.pace.remove(entry.interval);
        self.pace.add(interval);
        entry.interval = interval;
        let due = entry.grid.first(interval, from);
        entry.state = State::Waiting { due };
        self.queue.insert((due, id));
    }
}

impl Entry {
    /// Gives the target new settings. A row of outcomes of the old ones ends.
    fn change(&mut self, target: &Checked) {
        self.check = target.check.clone();
        self.machine.interrupt();
    }

    fn report(&self) -> HealthReport {
        HealthReport {
            target: self.key.clone(),
            health: self.machine.health(),
            reason: self.machine.reason().to_owned(),
        }
    }
}

/// The moments at which a target is asked.
#[derive(Clone, Copy, Debug)]
struct Grid {
    /// Fraction of the interval, in units of 2^-32.
    phase: u64,
    /// What the jitter comes from.
    hash: u64,
}

impl Grid {
    fn new(seed: u64, id: Id, key: &TargetKey) -> Self {
        let hash = xxh3_64_with_seed(key.to_string().as_bytes(), seed);
        Self { phase: seed.wrapping_add(id.wrapping_mul(GOLDEN)) >> 32, hash }
    }

    /// The first moment at or after `from`.
    fn first(self, interval: Duration, from: Timestamp) -> Timestamp {
        let interval = interval.as_nanos().max(1);
        let from = from.since_epoch().as_nanos();
        let moment = |k: u128| {
            let jitter = xxh3_64_with_seed(&k.to_le_bytes(), self.hash) >> 35;
            k * interval + ((interval * u128::from(self.phase + jitter)) >> 32)
        };
        let mut k = (from / interval).saturating_sub(2);
        while moment(k) < from {
            k += 1;
        }
        Timestamp::from_epoch(Duration::from_nanos(u64::try_from(moment(k)).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests;
