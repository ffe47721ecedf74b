//! Instance refresh: how it begins and how it ends. What happens between is [`progress`]'s.

mod progress;

use super::command::Refused;
use super::facade::Engine;
use crate::autoscale::model::{
    Cause, LaunchTemplate, Refresh, RefreshSettings, RefreshStatus, ReplacementBounds, Sample, TemplateVersion,
};
use crate::model::Timestamp;

/// So many instances in a row that never come into service are a failure of the refresh.
const MOST_FAILURES: u32 = 3;

impl Engine {
    /// The refresh that goes on, if one does.
    pub(super) fn refresh_under_way(&self) -> Option<&Refresh> {
        self.state.refresh.as_ref().filter(|refresh| refresh.ended.is_none())
    }

    fn refreshing(&mut self) -> Option<&mut Refresh> {
        self.state.refresh.as_mut().filter(|refresh| refresh.ended.is_none())
    }

    /// Begins a refresh.
    pub(super) fn start_refresh(
        &mut self,
        template: Option<LaunchTemplate>,
        settings: Option<RefreshSettings>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if self.refresh_under_way().is_some() {
            return Err(Refused::RefreshUnderWay);
        }
        let wanted = template.unwrap_or_else(|| self.state.template.clone());
        let before = self.template_before(&wanted.version);
        let settings = settings.unwrap_or_else(|| self.group.refresh.clone());
        self.begin_refresh(settings, wanted, before, RefreshStatus::InProgress, now);
        Ok(())
    }

    /// What most instances are of that are not of version `wanted`; what is launched from now when there is none.
    fn template_before(&self, wanted: &TemplateVersion) -> LaunchTemplate {
        let others = self.state.templates.iter().filter(|template| &template.version != wanted);
        let uses = |template: &&LaunchTemplate| {
            self.state.instances.values().filter(|instance| instance.template == template.version).count()
        };
        others.max_by_key(uses).unwrap_or(&self.state.template).clone()
    }

    fn begin_refresh(
        &mut self,
        settings: RefreshSettings,
        wanted: LaunchTemplate,
        before: LaunchTemplate,
        status: RefreshStatus,
        now: Timestamp,
    ) {
        self.state.activities.note(Cause::Refresh, format!("instance refresh to {} begins", wanted.version), now);
        self.launch_from(wanted.clone());
        self.state.troubles.reset();
        self.state.refresh = Some(Refresh {
            settings,
            wanted,
            before,
            from: self.state.next_number,
            began: now,
            ended: None,
            status,
            reason: String::new(),
            total: 0,
            replaced: 0,
            checkpoints_passed: 0,
            failures: 0,
            resumes: None,
        });
        let total = self.to_refresh().len();
        if let Some(refresh) = self.refreshing() {
            refresh.total = u32::try_from(total).unwrap_or(u32::MAX);
        }
    }

    /// Stops it; what is replaced stays.
    pub(super) fn cancel_refresh(&mut self, now: Timestamp) -> Result<(), Refused> {
        self.refresh_under_way().ok_or(Refused::NoRefresh)?;
        self.end_refresh(RefreshStatus::Cancelled, "asked for", now);
        Ok(())
    }

    /// Stops it, and makes all instances from the version before.
    pub(super) fn roll_back_refresh(&mut self, reason: &str, now: Timestamp) -> Result<(), Refused> {
        let refresh = self.refresh_under_way().ok_or(Refused::NoRefresh)?.clone();
        if refresh.before.version == refresh.wanted.version || refresh.status == RefreshStatus::RollingBack {
            return Err(Refused::NothingBefore);
        }
        self.end_refresh(RefreshStatus::Cancelled, reason, now);
        let settings = RefreshSettings {
            checkpoints: Vec::new(),
            alarms: Vec::new(),
            skip_matching: true,
            auto_rollback: false,
            ..refresh.settings
        };
        self.begin_refresh(settings, refresh.before, refresh.wanted, RefreshStatus::RollingBack, now);
        if let Some(refresh) = self.refreshing() {
            reason.clone_into(&mut refresh.reason);
        }
        Ok(())
    }

    /// A metric that is to stop it has a figure.
    pub(super) fn refresh_alarm(&mut self, index: usize, sample: &Sample, now: Timestamp) {
        let Some((_, limit)) = self.refresh_under_way().and_then(|refresh| refresh.settings.alarms.get(index)) else {
            return;
        };
        if let Some(value) = sample.value.as_ref().ok().filter(|value| *value > limit) {
            let reason = format!("alarm {}: {value} is above {limit}", index + 1);
            self.stop_refresh(&reason, now);
        }
    }

    /// One of its instances came into service.
    pub(super) fn refresh_launch_succeeded(&mut self, number: u64) {
        if let Some(refresh) = self.refreshing().filter(|refresh| number >= refresh.from) {
            refresh.failures = 0;
        }
    }

    /// One of its instances never came into service.
    pub(super) fn refresh_launch_failed(&mut self, number: u64, reason: &str, now: Timestamp) {
        let Some(refresh) = self.refreshing().filter(|refresh| number >= refresh.from) else { return };
        refresh.failures += 1;
        if refresh.failures >= MOST_FAILURES {
            let reason = format!("{MOST_FAILURES} instances in a row did not come into service: {reason}");
            self.stop_refresh(&reason, now);
        }
    }

    /// It failed: back to the version before, if that is wanted and can be.
    fn stop_refresh(&mut self, reason: &str, now: Timestamp) {
        let rolls_back = self.refresh_under_way().is_some_and(|refresh| refresh.settings.auto_rollback);
        if !rolls_back || self.roll_back_refresh(reason, now).is_err() {
            self.end_refresh(RefreshStatus::Failed, reason, now);
        }
    }

    fn end_refresh(&mut self, status: RefreshStatus, reason: &str, now: Timestamp) {
        let Some(refresh) = self.refreshing() else { return };
        (refresh.status, refresh.ended, refresh.resumes) = (status, Some(now), None);
        reason.clone_into(&mut refresh.reason);
        let (wanted, before) = (refresh.wanted.version.clone(), refresh.before.clone());
        self.pardon(&Cause::Refresh);
        let is_stopped = matches!(status, RefreshStatus::Failed | RefreshStatus::Cancelled);
        // What somebody only tried out is not launched any more; what is configured is.
        if is_stopped && wanted != self.state.configured_version {
            self.launch_from(before);
        }
        let how = match status {
            RefreshStatus::Successful => "is done",
            RefreshStatus::RolledBack => "is rolled back",
            RefreshStatus::Failed => "failed",
            _ => "is cancelled",
        };
        let description = format!("instance refresh to {wanted} {how}: {reason}");
        self.state.activities.note(Cause::Refresh, description, now);
    }

    /// What it keeps to by percent.
    pub(super) fn refresh_bounds(&self) -> Option<ReplacementBounds> {
        Some(self.refresh_under_way()?.settings.bounds)
    }
}
