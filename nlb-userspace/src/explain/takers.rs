//! Who takes a flow's packets when no listener does: a gateway.

use std::net::IpAddr;

use nlb_common::address::Address;
use nlb_common::hash::Flow;

use super::FlowQuery;
use crate::control::snapshot::{ListenerState, Snapshot};

/// What the flow tables know the flow of `query` as.
pub fn known_as(snapshot: &Snapshot, query: &FlowQuery) -> Flow {
    let gateway = gateway(snapshot, query)
        .filter(|_| snapshot.listeners_of(query.destination, query.protocol.number()).is_empty());
    let group = gateway.and_then(|gateway| Some((&gateway.listener, snapshot.serving(gateway)?)));
    group.map_or_else(|| query.flow(), |(gateway, group)| query.flow_of(gateway, group.affinity))
}

/// The gateway that takes them if nobody else does: that of the longest prefix, or of the end that comes first.
pub(super) fn gateway<'s>(snapshot: &'s Snapshot, query: &FlowQuery) -> Option<&'s ListenerState> {
    let ends = query.flow().both_ways(nlb_common::hash::Affinity::SourceIpDestIp);
    let mut vips = snapshot.listeners.iter().filter_map(|state| state.listener.vip());
    if vips.any(|vip| vip == query.destination.ip()) {
        return None;
    }
    let length = |state: &&ListenerState| state.listener.prefix_length;
    let of_end = |end: Address| {
        let end = IpAddr::from(end);
        let holds = |state: &&ListenerState| state.listener.network().is_some_and(|network| network.contains(&end));
        snapshot.listeners.iter().filter(holds).max_by_key(length)
    };
    // Of equally long ones, the last of these.
    [of_end(ends.destination), of_end(ends.source)].into_iter().flatten().max_by_key(length)
}
