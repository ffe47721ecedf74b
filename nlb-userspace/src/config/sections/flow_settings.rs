//! The keys of `[[target_group]]` about flows.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::within;
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{FlowSettings, Forwarding, Tracking};

const IDLE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(6_000);
const DEREGISTRATION_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
const UNHEALTHY_DRAINING_INTERVAL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(360_000);
const SLOW_START: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(900);
/// A shorter rise than this is none.
const LEAST_SLOW_START: Duration = Duration::from_secs(30);

/// Reads what `table` says about flows of a group whose packets travel by `forwarding`.
pub(super) fn flow_settings(table: &Table<'_>, forwarding: Option<Forwarding>) -> Result<FlowSettings, Reported> {
    let defaults = FlowSettings::default();
    let words = [("transition", Tracking::Transition), ("all", Tracking::All), ("none", Tracking::None)];
    let tracking = table.optional("tracking", |value| match (value.one_of(&words)?, forwarding) {
        (Tracking::All, _) => Ok(Tracking::All),
        (_, Some(Forwarding::Nat { .. })) => {
            let complaint = Complaint::new("must be \"all\" with forwarding by `nat`, which remembers every flow");
            Err(value.wrong(complaint.help("leave it out")))
        }
        (tracking, _) => Ok(tracking),
    });
    let time = |key, range| table.optional(key, |value| within(&value, range));
    let idle_timeout = time("idle_timeout", IDLE_TIMEOUT);
    let deregistration_delay = time("deregistration_delay", DEREGISTRATION_DELAY);
    let unhealthy_draining_interval = time("unhealthy_draining_interval", UNHEALTHY_DRAINING_INTERVAL);
    let boolean = |key| table.optional(key, |value| value.boolean());
    let of_appliances = matches!(forwarding, Some(Forwarding::Geneve));
    let connection_termination = table.optional("connection_termination", |value| match value.boolean()? {
        true if of_appliances => {
            let complaint = Complaint::new("is `true`, and no end of an appliance's flows is the edge's to cut");
            Err(value.wrong(complaint.help("leave it out: flows that are left go to other appliances")))
        }
        termination => Ok(termination),
    });
    let unhealthy_connection_termination = boolean("unhealthy_connection_termination");
    let slow_start = table.optional("slow_start", slow_start);
    Ok(FlowSettings {
        tracking: tracking?,
        idle_timeout: idle_timeout?,
        deregistration_delay: deregistration_delay?.unwrap_or(defaults.deregistration_delay),
        connection_termination: connection_termination?,
        unhealthy_connection_termination: unhealthy_connection_termination?
            .unwrap_or(defaults.unhealthy_connection_termination && !of_appliances),
        unhealthy_draining_interval: unhealthy_draining_interval?.unwrap_or(defaults.unhealthy_draining_interval),
        slow_start: slow_start?.unwrap_or(defaults.slow_start),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn slow_start(value: Value<'_>) -> Result<Duration, Reported> {
    let time = within(&value, SLOW_START)?;
    if time.is_zero() || time >= LEAST_SLOW_START {
        return Ok(time);
    }
    Err(value.wrong(Complaint::new("is shorter than 30s").help("30s to 15m, or \"0s\" for none")))
}
