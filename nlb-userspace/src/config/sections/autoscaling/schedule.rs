//! `[[autoscaling_group.schedule]]`.

use std::time::Duration;

use toml::Spanned;

use super::{CAPACITY, Named};
use crate::autoscale::model::{Cron, CronError, ScheduledAction};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::config::sections::name;
use crate::model::Timestamp;

/// Reads one `[[autoscaling_group.schedule]]`.
pub(super) fn scheduled_action(table: &Table<'_>) -> Named<ScheduledAction> {
    let name = table.require("name").and_then(name);
    let start = table.optional("start", moment);
    let end = table.optional("end", moment);
    let cron = cron(table);
    let capacity = |key| table.optional(key, |value| value.integer(CAPACITY));
    let (min, max, desired) = (capacity("min"), capacity("max"), capacity("desired"));
    let read = || {
        let action = ScheduledAction {
            name: name.clone()?.into_inner(),
            start: start?,
            cron: cron?,
            end: end?,
            min: min?,
            max: max?,
            desired: desired?,
        };
        let lacks = |what: &str, help: &str| {
            table.wrong(Complaint::new(format!("`[[autoscaling_group.schedule]]` {what}")).help(help))
        };
        if action.start.is_none() && action.cron.is_none() {
            return Err(lacks("says no time", "give it a `start`, a `cron`, or both"));
        }
        if action.min.or(action.max).or(action.desired).is_none() {
            return Err(lacks("changes nothing", "give it a `min`, `max` or `desired`"));
        }
        Ok(action)
    };
    Named { read: read(), name }
}

fn cron(table: &Table<'_>) -> Result<Option<Cron>, Reported> {
    let zone = table.optional("time_zone", |value| {
        value.parsed(|text| match Cron::new("* * * * *", text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(Complaint::new(format!("is no time zone: {text:?}"))
                .help("a name of the IANA database, like \"Europe/Berlin\" or \"UTC\"")),
        })
    });
    let zone = zone.map(|zone| zone.map_or_else(|| "UTC".to_owned(), Spanned::into_inner));
    let pattern = table.optional("cron", |value| {
        value.parsed(|text| {
            Cron::new(text, zone.as_deref().unwrap_or("UTC")).map_err(|error| {
                let reason = match error {
                    CronError::Pattern { reason, .. } => reason,
                    CronError::TimeZone(_) => String::new(),
                };
                let complaint = Complaint::new(format!("is no recurrence: {text:?}: {reason}"));
                complaint.help("minute, hour, day of month, month, day of week: \"0 8 * * 1-5\"")
            })
        })
    });
    zone.as_ref().map_err(|&reported| reported)?;
    Ok(pattern?.map(Spanned::into_inner))
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn moment(value: Value<'_>) -> Result<Timestamp, Reported> {
    let read = value.parsed(|text| {
        let seconds = text.parse::<jiff::Timestamp>().ok().and_then(|moment| u64::try_from(moment.as_second()).ok());
        let wrong = || {
            Complaint::new(format!("is no moment since 1970: {text:?}")).help("write it like \"2026-12-01T08:00:00Z\"")
        };
        seconds.map(|seconds| Timestamp::from_epoch(Duration::from_secs(seconds))).ok_or_else(wrong)
    })?;
    Ok(read.into_inner())
}
