//! The task that checks the targets' health: sockets, timers and channels around the pure parts.

use std::collections::VecDeque;
use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep_until;

use super::limit;
use super::probe::{Outcome, Prober};
use super::schedule::{Job, Schedule};
use crate::clock::Clock;
use crate::control::event::{Health, HealthReport};
use crate::model::{HealthCheck, TargetKey};

/// A target whose health is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which.
    pub key: TargetKey,
    /// How. Shared by the targets of a group.
    pub check: Arc<HealthCheck>,
    /// What whoever wrote the list takes the target for. A new target begins as this. For one that is known already,
    /// what the checks have found stands; it is reported again when it differs.
    pub begin: Health,
}

/// Sees every outcome, for metrics. Called from the checker's task, so it must not wait.
pub trait Observer: Send + Sync {
    /// A check of `target` is over.
    fn checked(&self, target: &TargetKey, outcome: &Outcome);
}

impl<F: Fn(&TargetKey, &Outcome) + Send + Sync> Observer for F {
    fn checked(&self, target: &TargetKey, outcome: &Outcome) {
        self(target, outcome);
    }
}

/// Checks the targets of the newest list, and reports each change of a target's health once. Ends when the sender of
/// lists or the receiver of reports is gone.
pub fn spawn(
    targets: watch::Receiver<Arc<Vec<Checked>>>,
    reports: mpsc::Sender<HealthReport>,
    observer: Arc<dyn Observer>,
) -> JoinHandle<()> {
    // The standard library's source of randomness: other phases in every agent, and after every start.
    let seed = RandomState::new().hash_one("phases");
    let checker = Checker {
        schedule: Schedule::new(seed, limit::checks_under_way()),
        clock: Clock::new(),
        prober: Prober::new(),
        observer,
        under_way: JoinSet::new(),
        unsent: VecDeque::new(),
    };
    tokio::spawn(checker.run(targets, reports))
}

struct Checker {
    schedule: Schedule,
    clock: Clock,
    prober: Prober,
    observer: Arc<dyn Observer>,
    under_way: JoinSet<(Job, Outcome)>,
    /// Reports that the receiver has no room for yet: checks go on meanwhile.
    unsent: VecDeque<HealthReport>,
}

impl Checker {
    async fn run(mut self, mut targets: watch::Receiver<Arc<Vec<Checked>>>, reports: mpsc::Sender<HealthReport>) {
        self.sync(&mut targets);
        loop {
            while let Some(job) = self.schedule.due(self.clock.now()) {
                let prober = self.prober.clone();
                self.under_way.spawn(async move {
                    let outcome = prober.run(job.address, &job.check.probe, job.check.timeout).await;
                    (job, outcome)
                });
            }
            let next_due = self.schedule.next_due().map(|due| self.clock.instant(due));
            let timer = async {
                match next_due {
                    Some(due) => sleep_until(due.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                changed = targets.changed() => match changed {
                    Ok(()) => self.sync(&mut targets),
                    Err(_) => return,
                },
                Some(ended) = self.under_way.join_next() => match ended {
                    Ok((job, outcome)) => self.finish(&job, &outcome),
                    // Only a bug panics in there, and then this task must not look alive.
                    Err(error) => if let Ok(panic) = error.try_into_panic() { std::panic::resume_unwind(panic) },
                },
                permit = reports.reserve(), if !self.unsent.is_empty() => match permit {
                    Ok(permit) => if let Some(report) = self.unsent.pop_front() { permit.send(report) },
                    Err(_) => return,
                },
                () = reports.closed() => return,
                () = timer => {}
            }
        }
    }

    fn sync(&mut self, targets: &mut watch::Receiver<Arc<Vec<Checked>>>) {
        let list = targets.borrow_and_update().clone();
        let again = self.schedule.sync(&list, self.clock.now());
        self.unsent.retain(|report| self.schedule.contains(&report.target));
        self.unsent.extend(again);
    }

    fn finish(&mut self, job: &Job, outcome: &Outcome) {
        self.observer.checked(&job.target, outcome);
        self.unsent.extend(self.schedule.finish(job.id, outcome, self.clock.now()));
    }
}

#[cfg(test)]
mod tests;
