//! The words of autoscaling groups.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::words::words;
use crate::autoscale::model;

words! {
    /// How far an instance's life has come.
    InstanceState of model::InstanceState {
        /// On its way into service.
        Pending = "pending",
        /// Held by a hook on its way into service.
        PendingWait = "pending_wait",
        /// About to serve.
        PendingProceed = "pending_proceed",
        /// Serves.
        InService = "in_service",
        /// Waits in the warm pool.
        Warmed = "warmed",
        /// Its flows are waited for, or the provider ends it.
        Terminating = "terminating",
        /// Held by a hook on its way out.
        TerminatingWait = "terminating_wait",
        /// About to be ended.
        TerminatingProceed = "terminating_proceed",
    }
}

words! {
    /// How an activity stands.
    ActivityStatus of model::ActivityStatus {
        /// Under way.
        InProgress = "in_progress",
        /// Done.
        Successful = "successful",
        /// Given up.
        Failed = "failed",
        /// Overtaken by another.
        Cancelled = "cancelled",
    }
}

words! {
    /// How an instance refresh stands.
    RefreshStatus of model::RefreshStatus {
        /// Under way.
        InProgress = "in_progress",
        /// Waits at a checkpoint.
        Checkpoint = "checkpoint",
        /// All replaced; watched for a while.
        Baking = "baking",
        /// Done.
        Successful = "successful",
        /// Stopped by a failure.
        Failed = "failed",
        /// Stopped by somebody; what is replaced stays.
        Cancelled = "cancelled",
        /// Makes instances from the version before.
        RollingBack = "rolling_back",
        /// Has done so.
        RolledBack = "rolled_back",
    }
}

words! {
    /// How an instance goes on from a hook.
    HookResult of model::HookResult {
        /// It goes on.
        Continue = "continue",
        /// It does not.
        Abandon = "abandon",
    }
}

impl From<HookResult> for model::HookResult {
    fn from(result: HookResult) -> Self {
        match result {
            HookResult::Continue => Self::Continue,
            HookResult::Abandon => Self::Abandon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_autoscaling_is_shown_as_it_stands_in_json() {
        let all = [
            InstanceState::spellings(),
            ActivityStatus::spellings(),
            RefreshStatus::spellings(),
            HookResult::spellings(),
        ];
        for (shown, json) in all.into_iter().flatten() {
            assert_eq!(json, shown);
        }
    }
}
