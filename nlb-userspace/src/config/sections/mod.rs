//! One file per table of the configuration: what its keys become. What concerns more than one table is in `check`.

mod access;
mod agent;
mod autoscaling;
mod flow_settings;
mod group;
mod health_check;
mod listener;
mod quic;
mod target;
mod vip;

pub(super) use agent::agent;
pub(super) use autoscaling::{ReadAutoscalingGroup, autoscaling_group};
pub(super) use group::{ReadGroup, group};
pub(super) use listener::{ReadListener, listener};
pub(super) use target::ReadTarget;
pub(super) use vip::{ReadVip, vip};

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::duration;
use super::error::Reported;
use super::reader::{Complaint, Value};
use crate::model::Name;

/// Longest path of a file.
const LONGEST_PATH: usize = 1024;
/// Smallest and largest port.
const PORTS: std::ops::RangeInclusive<u16> = 1..=u16::MAX;

/// A name of a listener, group or zone.
#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn name(value: Value<'_>) -> Result<Spanned<Name>, Reported> {
    value.parsed(|text| {
        let help = "1 to 63 letters, digits, `.`, `_` or `-`, beginning with a letter or digit";
        text.parse().map_err(|_| Complaint::new(format!("is no name: {text:?}")).help(help))
    })
}

/// A duration within `range`.
fn within(value: &Value<'_>, range: RangeInclusive<Duration>) -> Result<Duration, Reported> {
    if let Some(number) = value.as_integer() {
        let complaint = Complaint::new("must be a duration, not an integer");
        return Err(value.wrong(complaint.help(format!("give it a unit: \"{number}s\", or ms, m, h"))));
    }
    let read = value.parsed(|text| {
        let read = duration::parse(text)?;
        if range.contains(&read) {
            return Ok(read);
        }
        let (least, most) = (duration::show(*range.start()), duration::show(*range.end()));
        Err(Complaint::new(format!("is {text}: it must be from {least} to {most}")))
    })?;
    Ok(read.into_inner())
}
