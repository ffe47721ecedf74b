//! What a group did and why: bounded, the oldest that are over go first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::autoscale::model::{Activity, ActivityStatus, Cause, Token};
use crate::model::Timestamp;

/// So many are kept.
const MOST: usize = 500;

/// A group's activities, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activities {
    kept: VecDeque<Activity>,
    next: u64,
}

impl Activities {
    /// Oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Activity> {
        self.kept.iter()
    }

    /// Something begins. What was under way with the same instance is overtaken.
    pub(super) fn begin(&mut self, cause: Cause, description: String, instance: Option<&Token>, now: Timestamp) {
        if let Some(token) = instance {
            self.end(token, ActivityStatus::Cancelled, "", now);
        }
        self.next += 1;
        self.kept.push_back(Activity {
            number: self.next,
            cause,
            description,
            instance: instance.cloned(),
            began: now,
            ended: None,
            status: ActivityStatus::InProgress,
            progress: 0,
        });
        while self.kept.len() > MOST {
            let over = self.kept.iter().position(|activity| activity.ended.is_some()).unwrap_or_default();
            self.kept.remove(over);
        }
    }

    /// Something was done at once.
    pub(super) fn note(&mut self, cause: Cause, description: String, now: Timestamp) {
        self.begin(cause, description, None, now);
        if let Some(last) = self.kept.back_mut() {
            (last.status, last.ended, last.progress) = (ActivityStatus::Successful, Some(now), 100);
        }
    }

    /// What is under way with an instance is over, with a word on how.
    pub(super) fn end(&mut self, token: &Token, status: ActivityStatus, how: &str, now: Timestamp) {
        let Some(activity) = self.current(token) else { return };
        (activity.status, activity.ended) = (status, Some(now));
        if status == ActivityStatus::Successful {
            activity.progress = 100;
        }
        if !how.is_empty() {
            activity.description.push_str(": ");
            activity.description.push_str(how);
        }
    }

    /// What is under way with an instance has come so far, in percent.
    pub(super) fn progress(&mut self, token: &Token, progress: u8) {
        if let Some(activity) = self.current(token) {
            activity.progress = activity.progress.max(progress);
        }
    }

    /// Why the last thing was done with an instance.
    pub(super) fn cause(&self, instance: &Token) -> Option<Cause> {
        let last = self.kept.iter().rev().find(|activity| activity.instance.as_ref() == Some(instance));
        last.map(|activity| activity.cause.clone())
    }

    fn current(&mut self, token: &Token) -> Option<&mut Activity> {
        let open = |activity: &&mut Activity| activity.ended.is_none() && activity.instance.as_ref() == Some(token);
        self.kept.iter_mut().rev().find(open)
    }
}
