//! What a change at run time will come to, before it is in force: whoever asked for it keeps it first.

use super::event::{Change, ChangeError};
use super::state::State;
use crate::model::{Configuration, Drain, DrainCause, Drains, Overlay, TargetGroup, Timestamp, drains_after};

/// The runtime changes, the drains and the groups that are to be in force.
#[derive(Clone, Debug)]
pub struct Prospect {
    overlay: Overlay,
    drains: Drains,
    groups: Vec<TargetGroup>,
}

impl Prospect {
    /// The runtime changes.
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The targets that will be leaving.
    pub const fn drains(&self) -> &Drains {
        &self.drains
    }
}

impl State {
    /// What is in force with `change` over it. Nothing is changed by that.
    pub fn with(&self, change: &Change, now: Timestamp) -> Result<Prospect, ChangeError> {
        let mut overlay = self.overlay.clone();
        overlay.record(change.clone(), &self.configuration)?;
        let groups = overlay.apply(&self.configuration);
        let mut drains = drains_after(&self.drains, &self.groups, &groups, now);
        match change {
            Change::Drain { target } => {
                let group = self.groups.iter().find(|group| group.name == target.group);
                let registered = group.and_then(|group| {
                    group.targets.iter().find(|known| group.key(known) == *target).map(|known| (group, known))
                });
                if let Some((group, known)) = registered {
                    if drains.contains_key(target) {
                        return Err(ChangeError::AlreadyDrained { target: target.clone() });
                    }
                    let ends = now + group.flows.deregistration_delay;
                    let drain = Drain { target: known.clone(), cause: DrainCause::Command, began: now, ends };
                    drains.insert(target.clone(), drain);
                }
            }
            Change::Undrain { target } => {
                drains.remove(target).ok_or_else(|| ChangeError::NotDrained { target: target.clone() })?;
            }
            Change::Register { .. }
            | Change::Deregister { .. }
            | Change::SetWeight { .. }
            | Change::SetShares { .. } => {}
        }
        Ok(Prospect { overlay, drains, groups })
    }

    /// The same for another configuration and the runtime changes over it.
    pub fn under(&self, configuration: &Configuration, overlay: Overlay, now: Timestamp) -> Prospect {
        let groups = overlay.apply(configuration);
        Prospect { drains: drains_after(&self.drains, &self.groups, &groups, now), overlay, groups }
    }

    /// Puts it in force. The caller has made durable what is kept.
    pub fn set(&mut self, Prospect { overlay, drains, groups }: Prospect, now: Timestamp) {
        self.overlay = overlay;
        self.drains = drains;
        self.refresh(groups, now);
    }
}
