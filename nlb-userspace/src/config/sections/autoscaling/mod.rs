//! `[[autoscaling_group]]` and the tables within it.

mod life;
mod policy;
mod refresh;
mod schedule;
mod template;

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::{PORTS, name, within};
use crate::autoscale::model::{
    AutoscalingGroup, Bounds, Hook, PolicyKind, ReplacementBounds, ScheduledAction, TerminationOrder,
};
use crate::autoscale::policy::STABILIZATION;
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::Name;

/// Most instances of a group.
const CAPACITY: RangeInclusive<u32> = 0..=100_000;
/// Grace, warm-up, cooldowns.
const REST: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);
const LIFETIME: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600);
/// The port that node_exporter has by default.
const NODE_EXPORTER: u16 = 9100;
/// Five minutes, the default of most times of rest.
const MINUTES: Duration = Duration::from_secs(300);

/// A group as far as it could be read: what is between tables is checked all the same.
#[derive(Debug)]
pub(in crate::config) struct ReadAutoscalingGroup {
    pub(in crate::config) name: Result<Spanned<Name>, Reported>,
    pub(in crate::config) target_groups: Vec<Spanned<Name>>,
    /// Names of policies, hooks and scheduled actions, each kind for itself.
    pub(in crate::config) named: [(&'static str, Vec<Spanned<Name>>); 3],
    /// What of it asks a Prometheus server, and where that stands.
    pub(in crate::config) asking: Vec<Spanned<String>>,
    group: Result<AutoscalingGroup, Reported>,
}

/// Reads one `[[autoscaling_group]]`.
pub(in crate::config) fn autoscaling_group(table: &Table<'_>) -> ReadAutoscalingGroup {
    let own_name = table.require("name").and_then(name);
    let target_groups = table.optional("target_groups", names);
    let policies = policy::policies(table);
    let hooks: Vec<_> = table.tables("hook").iter().map(life::hook).collect();
    let schedules: Vec<_> = table.tables("schedule").iter().map(schedule::scheduled_action).collect();
    let known = |names: Vec<&Result<Spanned<Name>, Reported>>| names.into_iter().flatten().cloned().collect();
    let named = [
        ("policy", known(policies.iter().map(|read| &read.name).collect())),
        ("hook", known(hooks.iter().map(|read| &read.name).collect())),
        ("scheduled action", known(schedules.iter().map(|read| &read.name).collect())),
    ];
    let mut asking: Vec<_> = policies.iter().filter_map(asking_policy).collect();
    let listed = target_groups.as_ref().ok().cloned().flatten().unwrap_or_default();
    let group = complete(table, own_name.clone(), target_groups, Parts { policies, hooks, schedules });
    if let (Ok(name), Ok(group)) = (&own_name, &group)
        && group.refresh.alarms.iter().any(|(metric, _)| metric.asks_prometheus())
    {
        asking.push(Spanned::new(name.span(), format!("an alarm of `{}`", name.get_ref())));
    }
    ReadAutoscalingGroup { name: own_name, target_groups: listed, named, asking, group }
}

fn asking_policy(policy: &Named<PolicyKind>) -> Option<Spanned<String>> {
    let (name, kind) = (policy.name.as_ref().ok()?, policy.read.as_ref().ok()?);
    let asks = kind.metric().asks_prometheus();
    asks.then(|| Spanned::new(name.span(), format!("policy `{}`", name.get_ref())))
}

/// What has a name of its own within the group.
struct Parts {
    policies: Vec<Named<PolicyKind>>,
    hooks: Vec<Named<Hook>>,
    schedules: Vec<Named<ScheduledAction>>,
}

/// Something with a name, as far as it could be read.
#[derive(Debug)]
struct Named<T> {
    name: Result<Spanned<Name>, Reported>,
    read: Result<T, Reported>,
}

fn complete(
    table: &Table<'_>,
    own_name: Result<Spanned<Name>, Reported>,
    target_groups: Result<Option<Vec<Spanned<Name>>>, Reported>,
    parts: Parts,
) -> Result<AutoscalingGroup, Reported> {
    let bounds = bounds(table);
    let desired = table.optional("desired", |value| desired(&value, bounds));
    let zones = table.optional("zones", names);
    let rest = |key| table.optional(key, |value| within(&value, REST)).map(|rest| rest.unwrap_or(MINUTES));
    let (grace_period, warmup, default_cooldown) = (rest("grace_period"), rest("warmup"), rest("cooldown"));
    let periods = [10, 30, 60].map(Duration::from_secs);
    let periods = [("10s", periods[0]), ("30s", periods[1]), ("1m", periods[2])];
    let period = table.optional("period", |value| value.one_of(&periods));
    let node_exporter_port = table.optional("node_exporter_port", |value| value.integer(PORTS));
    let stabilization = table.optional("stabilization", |value| within(&value, REST));
    let max_lifetime = table.optional("max_lifetime", |value| within(&value, LIFETIME));
    let protect_new = table.optional("protect_new", |value| value.boolean());
    let orders = [
        ("fewest_flows", TerminationOrder::FewestFlows),
        ("oldest", TerminationOrder::Oldest),
        ("newest", TerminationOrder::Newest),
    ];
    let termination = table.optional("termination", |value| value.one_of(&orders));
    let replacement = replacement(table, ReplacementBounds::default());
    let launches = table.optional("launches_per_minute", |value| value.integer(1..=10_000_u32));
    let template = template::template(table, own_name.as_ref().ok());
    let provider = template.as_ref().ok().map(|template| template.provider);
    let warm_pool = table.table("warm_pool");
    let warm_pool = warm_pool.and_then(|pool| pool.map(|pool| life::warm_pool(&pool, provider)).transpose());
    let refresh = refresh::refresh(table);
    let policies = parts.policies.into_iter().map(policy::complete).collect::<Vec<_>>();

    Ok(AutoscalingGroup {
        name: own_name?.into_inner(),
        bounds: bounds?,
        desired: desired?,
        target_groups: bare(target_groups?),
        zones: bare(zones?),
        template: template?,
        grace_period: grace_period?,
        warmup: warmup?,
        default_cooldown: default_cooldown?,
        period: period?.unwrap_or(Duration::from_secs(60)),
        node_exporter_port: node_exporter_port?.unwrap_or(NODE_EXPORTER),
        stabilization: stabilization?.unwrap_or(STABILIZATION),
        max_lifetime: max_lifetime?,
        protect_new: protect_new?.unwrap_or_default(),
        termination: termination?.unwrap_or_default(),
        replacement: replacement?,
        launches_per_minute: NonZeroU32::new(launches?.unwrap_or(60)).unwrap_or(NonZeroU32::MIN),
        warm_pool: warm_pool?,
        hooks: parts.hooks.into_iter().map(|hook| hook.read).collect::<Result<_, _>>()?,
        policies: policies.into_iter().collect::<Result<_, _>>()?,
        schedules: parts.schedules.into_iter().map(|action| action.read).collect::<Result<_, _>>()?,
        refresh: refresh?,
    })
}

fn bounds(table: &Table<'_>) -> Result<Bounds, Reported> {
    let min = table.require("min").and_then(|value| value.integer(CAPACITY));
    let max = table.require("max").and_then(|value| {
        let max = value.integer(CAPACITY)?;
        let Ok(min) = min else { return Ok(max) };
        if max < min {
            return Err(value.wrong(Complaint::new(format!("is {max}, below `min`")).help(format!("at least {min}"))));
        }
        Ok(max)
    });
    Ok(Bounds { min: min?, max: max? })
}

fn desired(value: &Value<'_>, bounds: Result<Bounds, Reported>) -> Result<u32, Reported> {
    let desired = value.integer(CAPACITY)?;
    match bounds {
        Ok(bounds) if bounds.clamp(desired) != desired => {
            let complaint = Complaint::new(format!("is {desired}, beyond the bounds"));
            Err(value.wrong(complaint.help(format!("from {} to {}", bounds.min, bounds.max))))
        }
        _ => Ok(desired),
    }
}

/// `min_healthy` and `max_healthy`.
fn replacement(table: &Table<'_>, default: ReplacementBounds) -> Result<ReplacementBounds, Reported> {
    let min_healthy = table.optional("min_healthy", |value| value.integer(0..=100_u8));
    let max_healthy = table.optional("max_healthy", |value| value.integer(100..=200_u8));
    Ok(ReplacementBounds {
        min_healthy: min_healthy?.unwrap_or(default.min_healthy),
        max_healthy: max_healthy?.unwrap_or(default.max_healthy),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn names(value: Value<'_>) -> Result<Vec<Spanned<Name>>, Reported> {
    let read: Vec<_> = value.list()?.into_iter().map(name).collect();
    read.into_iter().collect()
}

fn bare(names: Option<Vec<Spanned<Name>>>) -> Vec<Name> {
    names.unwrap_or_default().into_iter().map(Spanned::into_inner).collect()
}

impl ReadAutoscalingGroup {
    /// The group, if all of it could be read.
    pub(in crate::config) fn complete(self) -> Result<AutoscalingGroup, Reported> {
        self.group
    }
}
