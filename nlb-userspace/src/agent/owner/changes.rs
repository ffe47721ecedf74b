//! What people ask for: another configuration, changes at run time. Both are kept before they are in force.

use tracing::{info, warn};

use super::Owner;
use crate::agent::handle::{ChangeReport, DroppedChange, ReloadError, ReloadReport};
use crate::agent::reload;
use crate::config;
use crate::control::snapshot::ReloadFailure;
use crate::control::{Change, ChangeError};
use crate::dataplane::Dataplane;
use crate::model::{Configuration, Drains, Overlay, Settled};
use crate::store::Store;

impl<D: Dataplane> Owner<D> {
    /// Reads the file again and puts it in force, whole or not at all.
    pub(super) fn reload(&mut self) -> Result<ReloadReport, ReloadError> {
        let now = self.clock.now();
        let configuration = self.read_file().inspect_err(|error| {
            warn!("the configuration in force stays: {error}");
            self.reload_failure = Some(ReloadFailure { at: now, reason: error.to_string() });
            self.publish();
        })?;
        self.reload_failure = None;
        let mut overlay = self.state.overlay().clone();
        let mut report = reload::difference(self.state.configuration(), &configuration);
        let settled = overlay.settle(&configuration);
        settled.iter().for_each(|change| info!("{change}"));
        let prospect = self.state.under(&configuration, overlay, now);
        self.keep(prospect.overlay(), prospect.drains());
        let dropped = |lost: Settled| DroppedChange { change: lost.change(), reason: lost.because.to_string() };
        report.dropped = settled.into_iter().map(dropped).collect();
        self.state.configure(configuration, prospect, now);
        self.reconcile(&[]);
        info!("configuration reloaded from {}: {}", self.file.display(), reload::summary(&report));
        Ok(report)
    }

    fn read_file(&self) -> Result<Configuration, ReloadError> {
        let configuration = config::load(&self.file)?;
        self.state.overlay().check_room(&configuration, 0)?;
        for group in &configuration.autoscaling_groups {
            // Where the store can't be read, the group itself says so, and is not run.
            if let Ok(Some(kept)) = self.store.autoscaling(&group.name) {
                kept.keeps_provider(group)?;
            }
        }
        Ok(configuration)
    }

    /// Puts one runtime change in force.
    pub(super) fn change(&mut self, change: &Change) -> Result<ChangeReport, ChangeError> {
        let subject = change.subject();
        let told = change.to_string();
        let now = self.clock.now();
        let prospect = self.state.with(change, now)?;
        let kept = self.store.save(prospect.overlay(), prospect.drains());
        kept.map_err(|error| ChangeError::NotKept { reason: error.to_string() })?;
        self.kept.clone_from(prospect.drains());
        let before = self.state.last_ring_change(&subject);
        self.state.set(prospect, now);
        self.reconcile(&[]);
        let after = self.state.last_ring_change(&subject);
        info!("{told}");
        Ok(ChangeReport { ring: after.filter(|_| after != before), subject })
    }

    /// Keeps what is to survive a restart, before it is in force or after it ended. What can't be kept now is kept with
    /// the next change: an agent that finds a drain that had ended ends it again.
    pub(super) fn keep(&mut self, overlay: &Overlay, drains: &Drains) {
        match self.store.save(overlay, drains) {
            Ok(()) => self.kept.clone_from(drains),
            Err(error) => warn!("runtime changes and drains are not kept: {error}"),
        }
    }
}

/// Drops the runtime changes that `configuration` makes moot, and keeps that.
pub(in crate::agent) fn settle(overlay: &mut Overlay, configuration: &Configuration, drains: &Drains, store: &Store) {
    let settled = overlay.settle(configuration);
    if !settled.is_empty() {
        settled.iter().for_each(|change| info!("{change}"));
        // What could not be dropped from the store is moot all the same, and dropped at the next reload.
        if let Err(error) = store.save(overlay, drains) {
            warn!("runtime changes without object stay in the store: {error}");
        }
    }
}
