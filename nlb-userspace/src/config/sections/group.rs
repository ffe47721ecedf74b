//! `[[target_group]]`.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::flow_settings::flow_settings;
use super::health_check::health_check;
use super::target::{ReadTarget, short, target};
use super::{PORTS, name};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{Affinity, FlowSettings, Forwarding, HealthCheck, Name, RingKind, RingSize, TargetGroup, Tracking};

/// A group as far as it could be read: the rest is still checked.
#[derive(Debug)]
pub(in crate::config) struct ReadGroup {
    /// Where its header stands.
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) name: Result<Spanned<Name>, Reported>,
    pub(in crate::config) ring_size: Result<RingSize, Reported>,
    pub(in crate::config) targets: Vec<ReadTarget>,
    pub(in crate::config) forwarding: Result<Option<Forwarding>, Reported>,
    affinity: Result<Option<Affinity>, Reported>,
    ring: Result<Option<RingKind>, Reported>,
    cross_zone: Result<Option<bool>, Reported>,
    port: Result<Option<u16>, Reported>,
    flows: Result<FlowSettings, Reported>,
    health_check: Result<HealthCheck, Reported>,
}

/// Reads one `[[target_group]]`.
pub(in crate::config) fn group(table: &Table<'_>) -> ReadGroup {
    let port = table.optional("port", |value| value.integer(PORTS));
    let mut targets = match table.optional("targets", |value| value.list()) {
        Ok(items) => items.into_iter().flatten().map(|value| short(&value, port)).collect(),
        Err(reported) => vec![ReadTarget::unreadable(table.span(), reported)],
    };
    targets.extend(table.tables("target").iter().map(|table| target(table, port)));
    let rings = [("rendezvous", RingKind::Rendezvous), ("maglev", RingKind::Maglev)];
    let check = table.table("health_check");
    let forwarding = forwarding(table);
    ReadGroup {
        span: table.span(),
        name: table.require("name").and_then(name),
        ring_size: table.optional("ring_size", ring_size).map(Option::unwrap_or_default),
        targets,
        forwarding,
        affinity: table.optional("affinity", |value| affinity(&value, forwarding)),
        ring: table.optional("ring", |value| value.one_of(&rings)),
        cross_zone: table.optional("cross_zone", |value| value.boolean()),
        port,
        flows: flow_settings(table, forwarding.ok().flatten()),
        health_check: check
            .and_then(|check| check.map_or_else(|| Ok(HealthCheck::default()), |table| health_check(&table))),
    }
}

/// How packets travel: by `forwarding`, and what `source_nat` adds to it.
fn forwarding(table: &Table<'_>) -> Result<Option<Forwarding>, Reported> {
    let named = table.optional("forwarding", |value| value.one_of(&Forwarding::NAMES));
    let source = table.optional("source_nat", |value| match (value.boolean()?, named) {
        (true, Ok(Some(Forwarding::Nat { .. })) | Err(_)) => Ok(true),
        (true, Ok(_)) => {
            let complaint = Complaint::new("is `true`, and packets of the group are not translated");
            Err(value.wrong(complaint.help("set `forwarding = \"nat\"`, or leave it out")))
        }
        (false, _) => Ok(false),
    });
    let source = source?.unwrap_or_default();
    Ok(named?.map(|named| match named {
        Forwarding::Nat { .. } => Forwarding::Nat { source },
        other => other,
    }))
}

/// What decides a flow's target, of a group whose packets travel by `forwarding`.
fn affinity(value: &Value<'_>, forwarding: Result<Option<Forwarding>, Reported>) -> Result<Affinity, Reported> {
    let affinity = value.one_of(&Affinity::ALL.map(|affinity| (affinity.name(), affinity)))?;
    let Ok(forwarding) = forwarding.map(Option::unwrap_or_default) else { return Ok(affinity) };
    if affinity.goes_with(forwarding) {
        return Ok(affinity);
    }
    let others = Affinity::ALL.into_iter().filter(|affinity| affinity.goes_with(forwarding));
    let others: Vec<_> = others.map(|affinity| format!("\"{}\"", affinity.name())).collect();
    let complaint =
        Complaint::new(format!("can't be \"{}\" with forwarding by `{}`", affinity.name(), forwarding.name()));
    Err(value.wrong(complaint.help(format!("use {}", others.join(", ")))))
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn ring_size(value: Value<'_>) -> Result<RingSize, Reported> {
    let slots = value.integer(RingSize::MIN..=RingSize::MAX)?;
    RingSize::new(slots).ok_or_else(|| {
        let above = slots.next_power_of_two();
        let complaint = Complaint::new(format!("is {slots}: it must be a power of two"));
        value.wrong(complaint.help(format!("the nearest are {} and {above}", above / 2)))
    })
}

impl ReadGroup {
    /// What decides a flow's target, if that could be read.
    pub(in crate::config) fn affinity(&self) -> Option<Affinity> {
        self.affinity.ok().map(Option::unwrap_or_default)
    }

    /// Whether its packets are translated, if that could be read.
    pub(in crate::config) fn translates(&self) -> Option<bool> {
        self.forwarding.ok().map(|forwarding| matches!(forwarding, Some(Forwarding::Nat { .. })))
    }

    /// Whether it is of appliances, if that could be read.
    pub(in crate::config) fn is_of_appliances(&self) -> Option<bool> {
        self.forwarding.ok().map(|forwarding| matches!(forwarding, Some(Forwarding::Geneve)))
    }

    /// What it says about which flows are remembered.
    pub(in crate::config) fn tracking(&self) -> Option<Tracking> {
        self.flows.as_ref().ok()?.tracking
    }

    /// What it says about how long a flow may be silent.
    pub(in crate::config) fn idle_timeout(&self) -> Option<Duration> {
        self.flows.as_ref().ok()?.idle_timeout
    }

    /// The group, if all of it could be read.
    pub(in crate::config) fn complete(self) -> Result<TargetGroup, Reported> {
        self.port?;
        Ok(TargetGroup {
            name: self.name?.into_inner(),
            forwarding: self.forwarding?.unwrap_or_default(),
            affinity: self.affinity?.unwrap_or_default(),
            ring: self.ring?.unwrap_or_default(),
            ring_size: self.ring_size?,
            cross_zone: self.cross_zone?.unwrap_or_default(),
            flows: self.flows?,
            health_check: self.health_check?,
            targets: self.targets.into_iter().map(ReadTarget::complete).collect::<Result<_, _>>()?,
        })
    }
}
