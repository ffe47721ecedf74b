//! What a group did and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ActivityStatus;
use crate::api::dto::Moment;
use crate::autoscale::model::Activity;

/// One thing that a group did, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivityView {
    /// Counts up within the group.
    pub number: u64,
    /// Why.
    pub cause: String,
    /// What, with the figures that led there.
    pub description: String,
    /// The instance that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When it began.
    pub began: Moment,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// How it stands.
    pub status: ActivityStatus,
    /// 0 to 100 %.
    pub progress: u8,
}

impl From<&Activity> for ActivityView {
    fn from(activity: &Activity) -> Self {
        Self {
            number: activity.number,
            cause: activity.cause.to_string(),
            description: activity.description.clone(),
            instance: activity.instance.as_ref().map(ToString::to_string),
            began: activity.began.into(),
            ended: activity.ended.map(Moment::from),
            status: activity.status.into(),
            progress: activity.progress,
        }
    }
}
