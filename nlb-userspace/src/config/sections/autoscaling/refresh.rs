//! `[autoscaling_group.refresh]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::policy::metric;
use super::replacement;
use crate::autoscale::model::{Metric, RefreshSettings};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::config::sections::within;

const DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(48 * 3600);

/// Reads the refresh settings of the group in `table`.
pub(super) fn refresh(table: &Table<'_>) -> Result<RefreshSettings, Reported> {
    let defaults = RefreshSettings::default();
    let Some(table) = table.table("refresh")? else { return Ok(defaults) };
    let bounds = replacement(&table, defaults.bounds);
    let checkpoints = table.optional("checkpoints", checkpoints);
    let checkpoint_delay = table.optional("checkpoint_delay", |value| within(&value, DELAY));
    let bake_time = table.optional("bake_time", |value| within(&value, DELAY));
    let skip_matching = table.optional("skip_matching", |value| value.boolean());
    let auto_rollback = table.optional("auto_rollback", |value| value.boolean());
    let alarms: Vec<_> = table.tables("alarm").iter().map(alarm).collect();
    Ok(RefreshSettings {
        bounds: bounds?,
        checkpoints: checkpoints?.unwrap_or_default(),
        checkpoint_delay: checkpoint_delay?.unwrap_or(defaults.checkpoint_delay),
        bake_time: bake_time?.unwrap_or_default(),
        skip_matching: skip_matching?.unwrap_or_default(),
        auto_rollback: auto_rollback?.unwrap_or_default(),
        alarms: alarms.into_iter().collect::<Result<_, _>>()?,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn checkpoints(value: Value<'_>) -> Result<Vec<u8>, Reported> {
    let read: Vec<_> = value.list()?.iter().map(|percent| percent.integer(1..=100_u8)).collect();
    let percentages: Vec<u8> = read.into_iter().collect::<Result<_, _>>()?;
    if percentages.is_sorted_by(|a, b| a < b) {
        return Ok(percentages);
    }
    Err(value.wrong(Complaint::new("must ascend").help("percentages of replaced instances, like [10, 50]")))
}

fn alarm(table: &Table<'_>) -> Result<(Metric, f64), Reported> {
    let metric = metric(table);
    let above = table.require("above").and_then(|value| value.number(f64::MIN..=f64::MAX));
    Ok((metric?, above?))
}
