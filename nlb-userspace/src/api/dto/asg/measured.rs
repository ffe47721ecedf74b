//! What is measured for a group: figures, where they come from, and why one is missing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::dto::Moment;
use crate::autoscale::runtime::{Measured, View};

/// What was last measured for a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MeasuredView {
    /// When.
    pub at: Moment,
    /// All sources that its metrics are made of.
    pub sources: Vec<SourceView>,
}

/// One source of metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// As in a metric: `sum(new_flows)`.
    pub source: String,
    /// Who measures it.
    pub from: String,
    /// Its figure; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<f64>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl MeasuredView {
    /// What was measured for the group that `view` shows; `None` before the first time.
    pub fn of(view: &View) -> Option<Self> {
        let (at, measured) = view.measured.as_ref()?;
        Some(Self { at: (*at).into(), sources: measured.iter().map(SourceView::from).collect() })
    }
}

impl From<&Measured> for SourceView {
    fn from(measured: &Measured) -> Self {
        Self {
            source: measured.metric.clone(),
            from: measured.from.clone(),
            figure: measured.value.as_ref().ok().copied(),
            missing: measured.value.as_ref().err().map(ToString::to_string),
        }
    }
}
