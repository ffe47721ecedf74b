//! The way to the target: next hop, outer header, and what fits.

use nlb_common::drop_reason::DropReason;

use super::{End, FlowQuery, Story, Verdict};
use crate::api::dto::NextHopView;
use crate::control::snapshot::{Snapshot, TargetState};
use crate::model::{Forwarding, Name};

impl Story<'_> {
    pub(super) fn way(&mut self, snapshot: &Snapshot, query: &FlowQuery, target: &TargetState) -> Result<String, End> {
        let address = target.key.address;
        let (own, hop) = match &target.next_hop {
            Ok(own) => (own, NextHopView::of(snapshot, address, own)),
            Err(why) => {
                self.step("next hop", format!("{why}: dropped as `{}`", DropReason::NoNextHop.name()));
                return Err((Verdict::Dropped, format!("dropped: no way to target {}", target.key.socket())));
            }
        };
        let by = hop.gateway.map_or_else(|| "on the link".to_owned(), |gateway| format!("by router {gateway}"));
        self.step("next hop", format!("{by}, MAC {}, out of `{}`, MTU {}", hop.mac, hop.interface, hop.mtu));
        let varied = hop
            .source_prefix
            .map_or_else(String::new, |length| format!(" (varied by flow within {}/{length})", hop.source));
        let outer = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let inner = if query.destination.is_ipv4() { "IPv4" } else { "IPv6" };
        let forwarding = forwarding(snapshot, &target.key.group);
        if forwarding == (Forwarding::Nat { source: false }) && inner != outer {
            let why = DropReason::OtherFamily.name();
            self.step("outer header", format!("none: the target can't answer an {inner} client: dropped as `{why}`"));
            return Err((
                Verdict::Dropped,
                format!("dropped: target {} gets {inner} packets only with `source_nat = true`", target.key.socket()),
            ));
        }
        let header = match forwarding {
            Forwarding::Ipip => format!("{inner} in {outer}, from {}{varied} to {address}", hop.source),
            Forwarding::Gue => format!("{inner} in GUE in UDP in {outer}, from {}{varied} to {address}", hop.source),
            Forwarding::L2 => "none: the packet stays as it is, its frame gets that MAC address".to_owned(),
            Forwarding::Nat { source } => {
                let to = target.key.socket();
                let from = if source { format!("a port of {}", own.source) } else { "the client's address".to_owned() };
                let into = if inner == outer { String::new() } else { format!(" into {outer}") };
                format!(
                    "none: the packet is translated{into}, from {from} to {to}; its answers come back through this edge"
                )
            }
            Forwarding::Geneve => format!(
                "{inner} in GENEVE in UDP in {outer}, from {} to {address}, which sends back what may go on",
                own.source
            ),
        };
        self.step("outer header", header);
        let fits = forwarding.room(hop.mtu, query.destination.ip(), address);
        let answer = if query.destination.is_ipv4() { "fragmentation needed" } else { "packet too big" };
        self.step("size", format!("up to {fits} bytes; a longer packet's sender gets `{answer}`"));
        if let Some(length) = self.packet.as_ref().map(|packet| packet.length).filter(|&length| length > fits) {
            let summary = format!(
                "its {length} bytes don't fit the way to its target: the sender gets `{answer}`, naming {fits}"
            );
            return Err((Verdict::Refused, summary));
        }
        let fragments = match forwarding {
            Forwarding::Geneve => "each goes the way of its addresses, protocol and identification".to_owned(),
            _ => "all of a datagram go there; one that comes before the first waits for it".to_owned(),
        };
        self.step("fragments", fragments);
        Ok(format!("goes to target {} out of `{}`", target.key.socket(), hop.interface))
    }
}

pub(super) fn forwarding(snapshot: &Snapshot, group: &Name) -> Forwarding {
    snapshot.configuration.group(group).map_or_else(Forwarding::default, |group| group.forwarding)
}
