//! Autoscaling groups.

mod activity;
mod explanation;
mod forecast;
mod history;
mod instance;
mod measured;
mod refresh;
mod words;

pub use activity::ActivityView;
pub use explanation::{ExplanationView, LastChangeView, WishView};
pub use forecast::{ForecastPointView, ForecastView, ModelView};
pub use history::{ImportHistory, ImportReport};
pub use instance::InstanceView;
pub use measured::{MeasuredView, SourceView};
pub use refresh::{RefreshView, StartRefresh};
pub use words::{ActivityStatus, HookResult, InstanceState, RefreshStatus};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::autoscale::model::InstanceState as State;
use crate::autoscale::runtime::View;

/// An autoscaling group in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AsgSummary {
    /// Its name.
    pub name: String,
    /// What launches its instances.
    pub provider: String,
    /// The least capacity in force: as configured, or as a schedule made it.
    pub min: u32,
    /// The greatest.
    pub max: u32,
    /// The capacity that it is to have.
    pub desired: u32,
    /// Instances in service.
    pub in_service: usize,
    /// On their way into service.
    pub pending: usize,
    /// On their way out.
    pub terminating: usize,
    /// In the warm pool.
    pub warm: usize,
    /// What is suspended.
    pub suspended: Vec<String>,
    /// Why the provider can't be used at the moment; absent when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An autoscaling group as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AsgView {
    /// In short.
    #[serde(flatten)]
    pub summary: AsgSummary,
    /// Target groups that its instances become targets of.
    pub target_groups: Vec<String>,
    /// What instances are launched from now: `name:version`.
    pub template: String,
    /// Its instances, in the order in which they were launched.
    pub instances: Vec<InstanceView>,
    /// The refresh under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshView>,
    /// What was last measured for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredView>,
}

/// The capacity that a group is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetDesired {
    /// Between the group's least and greatest capacity.
    pub desired: u32,
}

/// How an instance goes on from a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteHook {
    /// `continue`: it goes on; `abandon`: at launch it is ended, at its end the hooks that are left are skipped.
    pub result: HookResult,
}

impl AsgSummary {
    /// The group that `view` shows.
    pub fn of(view: &View) -> Self {
        let engine = &view.engine;
        let count = |wanted: &[State]| {
            engine.instances().filter(|instance| wanted.contains(&instance.lifecycle.state())).count()
        };
        Self {
            name: engine.group().name.to_string(),
            provider: engine.template().provider.as_str().to_owned(),
            min: engine.bounds().min,
            max: engine.bounds().max,
            desired: engine.desired(),
            in_service: count(&[State::InService]),
            pending: count(&[State::Pending, State::PendingWait, State::PendingProceed]),
            terminating: count(&[State::Terminating, State::TerminatingWait, State::TerminatingProceed]),
            warm: count(&[State::Warmed]),
            suspended: engine.suspended().iter().map(ToString::to_string).collect(),
            trouble: view.trouble.clone(),
        }
    }
}

impl AsgView {
    /// The group that `view` shows.
    pub fn of(view: &View) -> Self {
        let engine = &view.engine;
        Self {
            summary: AsgSummary::of(view),
            target_groups: engine.group().target_groups.iter().map(ToString::to_string).collect(),
            template: engine.template().version.to_string(),
            instances: engine.instances().map(InstanceView::from).collect(),
            refresh: engine.refresh().map(RefreshView::from),
            measured: MeasuredView::of(view),
        }
    }
}
