//! Autoscaling groups.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LaunchTemplate, Metric, Policy, RefreshSettings, ScheduledAction};
use crate::model::Name;

/// A group of instances whose number follows demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscalingGroup {
    /// Unique among autoscaling groups.
    pub name: Name,
    /// Between what its capacity stays.
    pub bounds: Bounds,
    /// The capacity that it begins with; later it is the engine's to say.
    pub desired: Option<u32>,
    /// Target groups that its instances become targets of.
    pub target_groups: Vec<Name>,
    /// Zones that instances are spread over evenly; none for one zone without a name.
    pub zones: Vec<Name>,
    /// What instances are launched from.
    pub template: LaunchTemplate,
    /// After a launch, a failing health is not counted for so long: 300 s by default.
    pub grace_period: Duration,
    /// An instance counts in the capacity and not in metrics for so long after it is in service: 300 s by default.
    pub warmup: Duration,
    /// After simple scaling nothing is scaled simply for so long: 300 s by default.
    pub default_cooldown: Duration,
    /// What metrics are measured over: 10, 30 or 60 s, 60 by default.
    pub period: Duration,
    /// Where node_exporter answers on instances: 9100 by default.
    pub node_exporter_port: u16,
    /// Nothing is scaled in below what a policy's figures asked for within so long: 600 s by default.
    pub stabilization: Duration,
    /// An instance is replaced when it is that old.
    pub max_lifetime: Option<Duration>,
    /// New instances are protected from scale-in.
    pub protect_new: bool,
    /// Which instance goes first.
    pub termination: TerminationOrder,
    /// How far replacements may take the capacity below and above the desired one.
    pub replacement: ReplacementBounds,
    /// Most launches within a minute; a provider is not asked for more: 60 by default.
    pub launches_per_minute: NonZeroU32,
    /// Instances held ready.
    pub warm_pool: Option<WarmPool>,
    /// What waits for an answer at launch and termination.
    pub hooks: Vec<Hook>,
    /// What the capacity follows.
    pub policies: Vec<Policy>,
    /// What changes at set times.
    pub schedules: Vec<ScheduledAction>,
    /// How an instance refresh goes unless its start says otherwise.
    pub refresh: RefreshSettings,
}

impl AutoscalingGroup {
    /// Whether any of its metrics is asked of a Prometheus server.
    pub fn asks_prometheus(&self) -> bool {
        let alarms = self.refresh.alarms.iter().map(|(metric, _)| metric);
        self.policies.iter().map(|policy| policy.kind.metric()).chain(alarms).any(Metric::asks_prometheus)
    }
}

/// Least and greatest capacity, `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The least.
    pub min: u32,
    /// The greatest.
    pub max: u32,
}

impl Bounds {
    /// `capacity`, or the bound that it is beyond.
    pub fn clamp(self, capacity: u32) -> u32 {
        // Not `u32::clamp`, which panics for bounds that cross: a stored state may be older than its configuration.
        capacity.min(self.max).max(self.min)
    }
}

/// How many instances stay healthy while others are replaced, in percent of the desired capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacementBounds {
    /// At least so many are in service: 90 by default.
    pub min_healthy: u8,
    /// No more than so many exist: 110 by default, 100 to 200. 100 terminates before it launches.
    pub max_healthy: u8,
}

impl Default for ReplacementBounds {
    fn default() -> Self {
        Self { min_healthy: 90, max_healthy: 110 }
    }
}

/// Which instance goes first, after the zone with the most unprotected ones and the oldest template version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminationOrder {
    /// The one that has the fewest active flows: least is broken or waited for.
    #[default]
    FewestFlows,
    /// The one launched first.
    Oldest,
    /// The one launched last.
    Newest,
}

/// Instances that are launched ahead and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmPool {
    /// Instances in service and warm together; `None` for the group's greatest capacity.
    pub prepared: Option<u32>,
    /// At least so many are warm: 0 by default.
    pub min: u32,
    /// How they wait.
    pub state: WarmState,
    /// Whether scale-in puts instances back here: off by default.
    pub reuse_on_scale_in: bool,
}

/// How a warm instance waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmState {
    /// Stopped: takes no memory.
    #[default]
    Stopped,
    /// Running, and not a target.
    Running,
}

/// Something that has to be done before an instance goes on: it waits for an answer, or for the time to be up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Unique within the group.
    pub name: Name,
    /// When.
    pub at: Transition,
    /// How long it waits without a sign of life: 3600 s by default, 30 to 7200. No hook holds an instance for over 48 h.
    pub heartbeat: Duration,
    /// What is taken for the answer when none comes: abandon by default.
    pub default_result: HookResult,
    /// A command that is run, program and arguments, never a shell's line: exit code 0 continues, another abandons. Without
    /// one the API is waited for.
    pub command: Vec<String>,
}

/// When a hook holds an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// Launched, not yet in service.
    Launch,
    /// Out of service, not yet terminated.
    Terminate,
}

/// How an instance goes on from a hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookResult {
    /// It goes on.
    Continue,
    /// At launch it is terminated; at termination the hooks that are left are skipped.
    #[default]
    Abandon,
}

/// What a group does by itself, each of which can be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// Launches instances. Suspended, nothing is launched, for whatever reason.
    Launch,
    /// Terminates instances. Suspended, nothing is terminated.
    Terminate,
    /// Makes instances targets.
    AddToLoadBalancer,
    /// Lets policies act on metrics.
    AlarmNotification,
    /// Evens zones out.
    ZoneRebalance,
    /// Marks instances unhealthy.
    HealthCheck,
    /// Goes on with a refresh.
    InstanceRefresh,
    /// Replaces those that are unhealthy.
    ReplaceUnhealthy,
    /// Runs scheduled actions.
    ScheduledActions,
}

impl Process {
    /// Every process.
    pub const ALL: [Self; 9] = [
        Self::Launch,
        Self::Terminate,
        Self::AddToLoadBalancer,
        Self::AlarmNotification,
        Self::ZoneRebalance,
        Self::HealthCheck,
        Self::InstanceRefresh,
        Self::ReplaceUnhealthy,
        Self::ScheduledActions,
    ];

    /// As it is written in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Terminate => "terminate",
            Self::AddToLoadBalancer => "add_to_load_balancer",
            Self::AlarmNotification => "alarm_notification",
            Self::ZoneRebalance => "zone_rebalance",
            Self::HealthCheck => "health_check",
            Self::InstanceRefresh => "instance_refresh",
            Self::ReplaceUnhealthy => "replace_unhealthy",
            Self::ScheduledActions => "scheduled_actions",
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of processes.
pub type Processes = BTreeSet<Process>;
