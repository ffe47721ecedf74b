//! Recorded load that is imported.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::dto::Moment;

/// A load that others recorded, by the minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportHistory {
    /// The load, as predictive policies have it for their `metric`.
    #[schema(example = "sum(new_flows)")]
    pub metric: String,
    /// When the first minute began.
    pub first: Moment,
    /// The load of each minute, in its metric's unit, at least 0; `null` where it isn't known. All are over by now.
    pub minutes: Vec<Option<f64>>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// The load.
    pub metric: String,
    /// The policies that forecast it.
    pub policies: Vec<String>,
    /// Minutes of which the load was given.
    pub minutes: usize,
    /// Minutes of load that have to be recorded before anything is forecast.
    pub minutes_missing: usize,
}
