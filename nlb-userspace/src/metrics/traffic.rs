//! What the packet path counts.

use std::fmt::Error;

use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use prometheus_client::encoding::DescriptorEncoder;

use super::encode::{counters, gauges};
use crate::active::ActiveReading;
use crate::control::snapshot::{ListenerState, Snapshot, TargetState};
use crate::dataplane::CounterReading;

type Kind = (&'static str, &'static str, fn(&Counters) -> u64);

/// What is counted of listeners and targets: name after `nlb_listener_` or `nlb_target_`, help, value.
const KINDS: [Kind; 3] = [
    ("packets", "Packets forwarded.", |counters| counters.packets),
    ("bytes", "Bytes forwarded, without the outer header.", |counters| counters.bytes),
    ("new_flows", "Flows begun (TCP).", |counters| counters.new_flows),
];

/// The counters of everything in `snapshot`, and drops.
pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    snapshot: &Snapshot,
    reading: &CounterReading,
) -> Result<(), Error> {
    for (kind, help, value) in KINDS {
        let series = snapshot
            .listeners
            .iter()
            .map(|state| (listener_labels(state), reading.listeners.get(&state.counters).map_or(0, value)));
        counters(encoder, &format!("nlb_listener_{kind}"), help, series)?;
    }
    for (kind, help, value) in KINDS {
        let series = targets(snapshot)
            .map(|target| (target_labels(target), reading.targets.get(&target.index).map_or(0, value)));
        counters(encoder, &format!("nlb_target_{kind}"), help, series)?;
    }
    refused(encoder, snapshot, reading)?;
    active_flows(encoder, snapshot, &reading.active)?;
    let drops = reading.drops.iter().map(|(reason, packets)| ([("reason", reason.name())], *packets));
    counters(encoder, "nlb_drops", "Packets dropped, by reason.", drops)?;
    let outcomes = reading.way_outcomes.iter().map(|(outcome, packets)| ([("outcome", outcome.name())], *packets));
    counters(encoder, "nlb_ways", "Packets that left the fast path, by what was done with them.", outcomes)?;
    let rules = reading.quic_rules.iter().map(|(rule, packets)| ([("rule", rule.name())], *packets));
    counters(encoder, "nlb_quic", "Packets of listeners with `quic`, by the rule that chose their target.", rules)?;
    let events = reading.flow_events.iter().map(|(event, count)| ([("event", event.name())], *count));
    counters(encoder, "nlb_flow_events", "What the tables of remembered flows are used for.", events)
}

/// What listeners' guards refuse: the same reasons that drops have.
fn refused(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot, reading: &CounterReading) -> Result<(), Error> {
    let series = snapshot.listeners.iter().flat_map(|state| {
        let refused = reading.refused.get(&state.counters).copied().unwrap_or_default();
        [(DropReason::SourceDenied, refused.denied), (DropReason::NewFlowLimit, refused.limited)].map(
            |(reason, packets)| {
                let [listener, protocol, address, port] = listener_labels(state);
                ([listener, protocol, address, port, ("reason", reason.name().to_owned())], packets)
            },
        )
    });
    counters(encoder, "nlb_listener_refused", "Packets dropped by a listener's guard, by reason.", series)
}

/// Where the number is not known yet, there is no series: an absent value is not zero.
fn active_flows(encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot, active: &ActiveReading) -> Result<(), Error> {
    const HELP: &str = "Flows with a packet within the last minute, estimated.";
    let known = |state: &ListenerState| Some((listener_labels(state), float(*active.listeners.get(&state.counters)?)));
    gauges(encoder, "nlb_listener_active_flows", HELP, snapshot.listeners.iter().filter_map(known))?;
    let known = |target: &TargetState| Some((target_labels(target), float(*active.targets.get(&target.index)?)));
    gauges(encoder, "nlb_target_active_flows", HELP, targets(snapshot).filter_map(known))
}

fn targets(snapshot: &Snapshot) -> impl Iterator<Item = &TargetState> {
    snapshot.groups.iter().flat_map(|group| &group.targets)
}

fn listener_labels(state: &ListenerState) -> [(&'static str, String); 4] {
    let listener = &state.listener;
    [
        ("listener", listener.name.to_string()),
        ("protocol", listener.protocol.to_string()),
        ("address", listener.network().map_or_else(|| listener.address.to_string(), |network| network.to_string())),
        ("port", listener.ports.to_string()),
    ]
}

fn target_labels(target: &TargetState) -> [(&'static str, String); 3] {
    [
        ("group", target.key.group.to_string()),
        ("target", target.key.socket().to_string()),
        ("zone", target.target.zone.as_ref().map(ToString::to_string).unwrap_or_default()),
    ]
}

/// An estimate; there are never more flows than a float can hold.
fn float(flows: u64) -> f64 {
    u32::try_from(flows).map_or(f64::from(u32::MAX), f64::from)
}
