//! How a refresh goes on: from checkpoint to checkpoint, as fast as the replacement bounds allow, to the end of its bake time.

use super::super::census::counts;
use super::super::facade::Engine;
use crate::autoscale::model::{Cause, Process, Refresh, RefreshStatus};
use crate::model::Timestamp;

impl Engine {
    /// Condemns the next instances, waits at a checkpoint, bakes, or ends it.
    pub(in crate::autoscale::engine) fn go_on_with_refresh(&mut self, now: Timestamp) {
        if self.refresh_under_way().is_none() || self.is_suspended(Process::InstanceRefresh) {
            return;
        }
        let left = self.to_refresh();
        let census = self.census(now);
        let all_ready = census.ready >= self.state.desired && census.warming == 0 && census.good >= self.state.desired;
        let Some(refresh) = self.refreshing() else { return };
        let left_count = u32::try_from(left.len()).unwrap_or(u32::MAX);
        // A successor that is not warm yet has replaced nothing.
        refresh.replaced =
            refresh.total.saturating_sub(left_count.saturating_add(census.warming)).max(refresh.replaced);
        let is_due = refresh.resumes.is_none_or(|resumes| now >= resumes);
        match refresh.status {
            RefreshStatus::Baking if is_due => {
                self.end_refresh(RefreshStatus::Successful, "all instances are new", now);
                return;
            }
            RefreshStatus::Checkpoint if is_due => {
                (refresh.status, refresh.resumes) = (RefreshStatus::InProgress, None);
            }
            RefreshStatus::InProgress | RefreshStatus::RollingBack => {}
            _ => return,
        }
        if let Some(quota) = next_checkpoint(refresh).filter(|quota| refresh.replaced >= *quota) {
            refresh.checkpoints_passed += 1;
            refresh.status = RefreshStatus::Checkpoint;
            refresh.resumes = Some(now + refresh.settings.checkpoint_delay);
            refresh.reason = format!("{quota} of {} instances are new: it waits at a checkpoint", refresh.total);
            return;
        }
        if left.is_empty() && all_ready {
            return self.all_replaced(now);
        }
        // No more than up to the next checkpoint.
        let quota = next_checkpoint(refresh).unwrap_or(refresh.total);
        let begun = refresh.total.saturating_sub(left_count);
        let more = usize::try_from(quota.saturating_sub(begun)).unwrap_or(usize::MAX);
        let is_condemned =
            |number: &u64| self.state.instances.get(number).is_some_and(|instance| instance.condemned.is_some());
        let (condemned, next): (Vec<u64>, Vec<u64>) = left.into_iter().partition(is_condemned);
        for number in next.into_iter().take(more.saturating_sub(condemned.len())) {
            self.condemn_one(number, Cause::Refresh);
        }
    }

    /// What is still to be replaced, the oldest first. Protected instances stay.
    pub(super) fn to_refresh(&self) -> Vec<u64> {
        let Some(refresh) = self.refresh_under_way() else { return Vec::new() };
        let matches = |version| refresh.settings.skip_matching && version == &refresh.wanted.version;
        let instances = self.state.instances.range(..refresh.from).map(|(_, instance)| instance);
        let left = instances.filter(|one| counts(one) && !one.protected && !matches(&one.template));
        left.map(|instance| instance.number).collect()
    }

    fn all_replaced(&mut self, now: Timestamp) {
        let Some(refresh) = self.refreshing() else { return };
        refresh.replaced = refresh.total;
        if refresh.status == RefreshStatus::RollingBack {
            let reason = refresh.reason.clone();
            self.end_refresh(RefreshStatus::RolledBack, &reason, now);
        } else if refresh.settings.bake_time.is_zero() {
            self.end_refresh(RefreshStatus::Successful, "all instances are new", now);
        } else {
            refresh.status = RefreshStatus::Baking;
            refresh.resumes = Some(now + refresh.settings.bake_time);
            "all instances are new: it is watched for a while".clone_into(&mut refresh.reason);
        }
    }
}

/// The number of replaced instances at which it waits next.
fn next_checkpoint(refresh: &Refresh) -> Option<u32> {
    let percent = refresh.settings.checkpoints.get(refresh.checkpoints_passed)?;
    let quota = (u64::from(refresh.total) * u64::from(*percent)).div_ceil(100);
    Some(u32::try_from(quota).unwrap_or(u32::MAX))
}
