//! What a user configures of autoscaling, and what an instance is, as types that can't hold anything invalid.
//!
//! Pure data, serialisable: the API shows it, the store keeps it. Durations with a default say it where they are declared.

mod activity;
mod group;
mod instance;
mod metric;
mod policy;
mod refresh;
mod schedule;
mod template;

pub use activity::{Activity, ActivityStatus, Cause};
pub use group::{
    AutoscalingGroup, Bounds, Hook, HookResult, Process, Processes, ReplacementBounds, TerminationOrder, Transition,
    WarmPool, WarmState,
};
pub use instance::{Instance, InstanceId, InstanceState, Lifecycle, Purpose, Standing, Token, Wait};
pub use metric::{InvalidMetric, Metric, MetricError, Operator, Sample, Source, Statistic};
pub use policy::{
    Adjustment, AdjustmentKind, Cooldowns, MaxCapacityBehavior, Policy, PolicyKind, Predictive, PredictiveMode, Simple,
    Step, StepScaling, TargetTracking,
};
pub use refresh::{Refresh, RefreshSettings, RefreshStatus};
pub use schedule::{Cron, CronError, ScheduledAction};
pub use template::{LaunchTemplate, ProviderKind, TemplateVersion};
