//! Instance refresh.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RefreshStatus;
use crate::api::dto::Moment;
use crate::autoscale::model::{Refresh, RefreshSettings};

/// A refresh under way, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefreshView {
    /// How it stands.
    pub status: RefreshStatus,
    /// Why it stands so.
    pub reason: String,
    /// What instances are made from: `name:version`.
    pub template: String,
    /// What they were made from before.
    pub before: String,
    /// When it began.
    pub began: Moment,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// The capacity that percentages are of.
    pub total: u32,
    /// Instances replaced so far.
    pub replaced: u32,
}

/// How a refresh is to go; what is left out is as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRefresh {
    /// Percent of the capacity that stay in service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    pub min_healthy: Option<u8>,
    /// Percent of the capacity that may exist, 100 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 200)]
    pub max_healthy: Option<u8>,
    /// Whether instances of the wanted version stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_matching: Option<bool>,
    /// Whether a failure makes all instances anew from the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_rollback: Option<bool>,
}

impl StartRefresh {
    /// These settings over the configured ones; what is wrong with them otherwise.
    pub fn over(self, mut configured: RefreshSettings) -> Result<RefreshSettings, &'static str> {
        let bounds = &mut configured.bounds;
        bounds.min_healthy = self.min_healthy.unwrap_or(bounds.min_healthy);
        bounds.max_healthy = self.max_healthy.unwrap_or(bounds.max_healthy);
        configured.skip_matching = self.skip_matching.unwrap_or(configured.skip_matching);
        configured.auto_rollback = self.auto_rollback.unwrap_or(configured.auto_rollback);
        match (bounds.min_healthy, bounds.max_healthy) {
            (0..=100, 100..=200) => Ok(configured),
            (0..=100, _) => Err("max_healthy must be from 100 to 200"),
            _ => Err("min_healthy must be from 0 to 100"),
        }
    }
}

impl From<&Refresh> for RefreshView {
    fn from(refresh: &Refresh) -> Self {
        Self {
            status: refresh.status.into(),
            reason: refresh.reason.clone(),
            template: refresh.wanted.version.to_string(),
            before: refresh.before.version.to_string(),
            began: refresh.began.into(),
            ended: refresh.ended.map(Moment::from),
            total: refresh.total,
            replaced: refresh.replaced,
        }
    }
}
