//! What the packet path counts.

use std::fmt::Error;

use nlb_common::counters::Counters;
use prometheus_client::encoding::DescriptorEncoder;

use super::encode::counters;
use crate::control::snapshot::Snapshot;
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
        let series = snapshot.listeners.iter().map(|state| {
            let listener = &state.listener;
            let labels = [
                ("listener", listener.name.to_string()),
                ("protocol", listener.protocol.to_string()),
                ("address", listener.address.to_string()),
                ("port", listener.port.to_string()),
            ];
            (labels, reading.listeners.get(&state.counters).map_or(0, value))
        });
        counters(encoder, &format!("nlb_listener_{kind}"), help, series)?;
    }
    for (kind, help, value) in KINDS {
        let series = snapshot.groups.iter().flat_map(|group| &group.targets).map(|target| {
            let labels = [
                ("group", target.key.group.to_string()),
                ("target", target.key.socket().to_string()),
                ("zone", target.target.zone.as_ref().map(ToString::to_string).unwrap_or_default()),
            ];
            (labels, reading.targets.get(&target.index).map_or(0, value))
        });
        counters(encoder, &format!("nlb_target_{kind}"), help, series)?;
    }
    let drops = reading.drops.iter().map(|(reason, packets)| ([("reason", reason.name())], *packets));
    counters(encoder, "nlb_drops", "Packets dropped, by reason.", drops)?;
    let events = reading.flow_events.iter().map(|(event, count)| ([("event", event.name())], *count));
    counters(encoder, "nlb_flow_events", "What the tables of remembered flows are used for.", events)
}
