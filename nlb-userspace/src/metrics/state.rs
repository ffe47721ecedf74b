//! The agent, its configuration, groups and targets, as gauges.

use std::fmt::Error;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::encode::{flag, gauge, gauges, number};
use crate::api::dto::{Health, Routing, XdpMode};
use crate::control::event;
use crate::control::snapshot::{self, GroupState, Snapshot, TargetState};

/// Everything of `snapshot` that is no counter.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot, readable: bool) -> Result<(), Error> {
    agent(encoder, snapshot, readable)?;
    groups(encoder, snapshot)?;
    targets(encoder, snapshot)
}

fn agent(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot, readable: bool) -> Result<(), Error> {
    let layout = nlb_common::layout::LAYOUT_VERSION.to_string();
    encoder
        .encode_descriptor("nlb_build", "Version of the agent and of the tables' layout.", None, MetricType::Info)?
        .encode_info(&[("version", env!("CARGO_PKG_VERSION")), ("layout", &layout)])?;
    gauge(
        encoder,
        "nlb_start_time_seconds",
        "When the agent began, since the Unix epoch.",
        snapshot.started.since_epoch().as_secs_f64(),
    )?;
    gauge(
        encoder,
        "nlb_config_last_reload_success",
        "Whether the last attempt to load the configuration succeeded.",
        flag(snapshot.reload_failure.is_none()),
    )?;
    gauge(
        encoder,
        "nlb_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was loaded, since the Unix epoch.",
        snapshot.configured.since_epoch().as_secs_f64(),
    )?;
    gauge(
        encoder,
        "nlb_tables_right",
        "Whether the kernel's tables are what they should be.",
        flag(snapshot.dataplane_error.is_none()),
    )?;
    gauge(encoder, "nlb_counters_readable", "Whether the kernel's counters could be read.", flag(readable))?;
    let interfaces = snapshot.configuration.agent.interfaces.iter().flat_map(|interface| {
        let attached = snapshot.attachments.iter().find(|attachment| &attachment.interface == interface);
        [XdpMode::Native, XdpMode::Generic].map(|mode| {
            let here = attached.is_some_and(|attachment| XdpMode::from(attachment.mode) == mode);
            ([("interface", interface.clone()), ("mode", mode.to_string())], flag(here))
        })
    });
    gauges(
        encoder,
        "nlb_program_attached",
        "Whether the program is attached to the interface in that mode.",
        interfaces,
    )
}

fn groups(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let groups = &snapshot.groups;
    let label = |group: &GroupState| [("group", group.name.to_string())];
    for (name, help, health) in [
        ("nlb_group_healthy_targets", "Targets that pass their checks.", event::Health::Healthy),
        ("nlb_group_unhealthy_targets", "Targets that fail their checks.", event::Health::Unhealthy),
        ("nlb_group_initial_targets", "Targets that have not passed their first checks.", event::Health::Initial),
    ] {
        let count = |group: &GroupState| group.targets.iter().filter(|target| target.health == health).count();
        gauges(encoder, name, help, groups.iter().map(|group| (label(group), number(count(group)))))?;
    }
    let all = [
        snapshot::Routing::Healthy,
        snapshot::Routing::OtherZones,
        snapshot::Routing::FailOpen,
        snapshot::Routing::Empty,
    ];
    let routing = groups.iter().flat_map(|group| {
        all.map(|routing| {
            let word = Routing::from(routing).to_string();
            ([("group", group.name.to_string()), ("routing", word)], flag(group.routing == routing))
        })
    });
    gauges(encoder, "nlb_group_routing", "Which targets get new flows; fail_open: all, as none is healthy.", routing)?;
    gauges(
        encoder,
        "nlb_slots_open",
        "Slots whose change of target is in transition.",
        groups.iter().map(|group| (label(group), f64::from(group.open_slots))),
    )?;
    let pins = groups
        .iter()
        .filter_map(|group| Some((label(group), u32::try_from(group.pins?).map_or(f64::from(u32::MAX), f64::from))));
    gauges(encoder, "nlb_pins", "Flows that are remembered, as last counted.", pins)?;
    let changes = || groups.iter().filter_map(|group| Some((group, group.last_change?)));
    gauges(
        encoder,
        "nlb_ring_moved_slots",
        "Slots that got another target with the last change of the ring.",
        changes().map(|(group, change)| (label(group), f64::from(change.moved))),
    )?;
    gauges(
        encoder,
        "nlb_ring_least_moved_slots",
        "The least that any ring would have moved for the same change.",
        changes().map(|(group, change)| (label(group), f64::from(change.least))),
    )
}

fn targets(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> Result<(), Error> {
    let targets = || snapshot.groups.iter().flat_map(|group| &group.targets);
    let label =
        |target: &TargetState| [("group", target.key.group.to_string()), ("target", target.key.socket().to_string())];
    let states = targets().flat_map(|target| {
        [event::Health::Initial, event::Health::Healthy, event::Health::Unhealthy].map(|state| {
            let [group, name] = label(target);
            ([group, name, ("state", Health::from(state).to_string())], flag(target.health == state))
        })
    });
    gauges(encoder, "nlb_target_health", "1 for the state that the target is in.", states)?;
    gauges(
        encoder,
        "nlb_target_weight",
        "Weight in force.",
        targets().map(|target| (label(target), f64::from(target.target.weight.get()))),
    )?;
    gauges(
        encoder,
        "nlb_target_slots",
        "Slots of the ring that are the target's own.",
        targets().map(|target| (label(target), f64::from(target.slots))),
    )?;
    gauges(
        encoder,
        "nlb_target_draining",
        "Whether the target is leaving: it gets no new flows.",
        targets().map(|target| (label(target), flag(target.draining.is_some()))),
    )?;
    gauges(
        encoder,
        "nlb_target_reachable",
        "Whether the next hop to the target is known.",
        targets().map(|target| (label(target), flag(target.next_hop.is_ok()))),
    )
}
