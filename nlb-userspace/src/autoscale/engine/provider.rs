//! A group's provider stays what it is while the group has instances: another kind would know none of them, so they would be taken
//! for gone and run on for ever.

use super::state::State;
use crate::autoscale::model::{AutoscalingGroup, ProviderKind};
use crate::model::Name;

/// A group whose instances another provider launched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "autoscaling group `{group}` has instances of the provider `{}`, and `{}` would know none of them",
    .kept.as_str(),
    .wanted.as_str()
)]
pub struct OtherProvider {
    /// The group.
    pub group: Name,
    /// Whose instances there are.
    pub kept: ProviderKind,
    /// Whose there would be.
    pub wanted: ProviderKind,
}

impl State {
    /// Whether `group`, as it is configured now, can go on from this state.
    pub fn keeps_provider(&self, group: &AutoscalingGroup) -> Result<(), OtherProvider> {
        let wanted = group.template.provider;
        let mut kinds = self.instances.values().filter_map(|instance| {
            let template = self.templates.iter().find(|template| template.version == instance.template)?;
            Some(template.provider)
        });
        match kinds.find(|kind| *kind != wanted) {
            Some(kept) => Err(OtherProvider { group: group.name.clone(), kept, wanted }),
            None => Ok(()),
        }
    }
}
