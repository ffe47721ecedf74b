//! Which listener takes the flow, and which groups share it.

use super::takers::gateway;
use super::{End, FlowQuery, Story, Verdict};
use crate::control::endpoint_id;
use crate::control::snapshot::{ListenerState, Snapshot};
use crate::model::{Listener, Protocol};

impl Story<'_> {
    pub(super) fn listener<'s>(&mut self, snapshot: &'s Snapshot, query: &FlowQuery) -> Result<&'s ListenerState, End> {
        let wanted = query.destination;
        let found = snapshot.listeners_of(wanted, query.protocol.number());
        let Some((&state, others)) = found.split_first() else {
            if let Some(gateway) = gateway(snapshot, query) {
                self.gateway(&gateway.listener);
                return Ok(gateway);
            }
            self.step("listener", format!("none accepts {} {wanted}", query.protocol));
            self.step("listener", nearest(snapshot, query));
            if snapshot.configuration.is_exclusive(wanted.ip()) {
                let how = match query.protocol {
                    Protocol::Tcp => "a reset",
                    Protocol::Udp | Protocol::Sctp | Protocol::All => "`port unreachable`",
                };
                let summary = format!("no listener, and {} is exclusive: the sender gets {how}", wanted.ip());
                return Err((Verdict::Refused, summary));
            }
            return Err((Verdict::Passed, "no listener: the packet passes to this host's own stack".to_owned()));
        };
        let name = &state.listener.name;
        self.told.listener = Some(name.to_string());
        self.step("listener", format!("`{name}` accepts {} {}", query.protocol, state.listener.place()));
        if !others.is_empty() {
            let others =
                others.iter().map(|ListenerState { listener, .. }| format!("`{}` {}", listener.name, listener.place()));
            let text = format!("less specific: {}", others.collect::<Vec<_>>().join(", "));
            self.step("listener", text);
        }
        Ok(state)
    }

    fn gateway(&mut self, gateway: &Listener) {
        let name = &gateway.name;
        self.told.listener = Some(name.to_string());
        let text = format!(
            "`{name}` takes what this host forwards to or from {}, as endpoint {:#018x}; what is for the host itself passes",
            gateway.place(),
            endpoint_id(name)
        );
        self.step("gateway", text);
    }

    /// What each group has of a listener that several share.
    pub(super) fn shares(&mut self, snapshot: &Snapshot, listener: &ListenerState) {
        let shares = listener.shares(snapshot);
        let slots = listener.own_ring.as_ref().map_or(0, |own| own.ring.len());
        for (share, held) in shares {
            let text = format!("`{}` with weight {} has {held} of {slots} slots", share.group, share.weight.get());
            self.step("share", text);
        }
    }
}

/// The listeners that come closest: same address first, then same port.
fn nearest(snapshot: &Snapshot, query: &FlowQuery) -> String {
    let mut ranked: Vec<_> = snapshot
        .listeners
        .iter()
        .map(|ListenerState { listener, .. }| {
            let address = u8::from(listener.address != query.destination.ip()) * 4;
            let port = u8::from(!listener.ports.contains(query.destination.port())) * 2;
            (address + port + u8::from(listener.protocol != query.protocol), listener)
        })
        .collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    if ranked.is_empty() {
        return "the configuration has no listener".to_owned();
    }
    let names: Vec<_> = ranked
        .iter()
        .take(3)
        .map(|(_, listener)| format!("`{}` {} {}", listener.name, listener.protocol, listener.place()))
        .collect();
    format!("nearest listeners: {}", names.join(", "))
}
