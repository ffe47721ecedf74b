//! Listeners, rings, health, and the way to each target.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::{EdgeFacts, Finding, HostFacts};
use crate::api::dto::{GroupView, Health, ListenerView, Routing, TargetView};
use crate::model::Forwarding;

/// From the listener to the target's host.
pub(super) fn judge(edge: &EdgeFacts, host: &HostFacts, client_mtu: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    if edge.listeners.is_empty() {
        findings.push(Finding::fail(
            "listener",
            "there is none: every packet passes to this host's own stack",
            format!("add a [[listener]] to {}, then `nlb reload`", edge.status.config.path),
        ));
    }
    for listener in &edge.listeners {
        let socket = crate::model::place(listener.address, listener.prefix_length, &listener.port);
        findings.push(Finding::ok(
            "listener",
            format!("`{}` takes {} {socket} to group `{}`", listener.name, listener.protocol, listener.target_group),
        ));
    }
    let vips = edge.listeners.iter().filter(|listener| listener.prefix_length.is_none());
    let vips: BTreeSet<_> = vips.map(|listener| listener.address).collect();
    findings.extend(vips.intersection(&host.addresses).map(|vip| {
        Finding::note(
            "listener",
            format!("{vip} is an address of this host too: its own stack answers what no listener takes"),
            "right when this edge answers ARP or ping for the VIP; else take it away: ip address del",
        )
    }));
    for group in &edge.groups {
        findings.extend(ring(group));
        let vips: Vec<_> = vips_of(group, &edge.listeners).collect();
        findings.extend(group.targets.iter().flat_map(|target| self::target(group, target, &vips, client_mtu)));
    }
    findings
}

/// The addresses of the listeners that lead to the group.
fn vips_of(group: &GroupView, listeners: &[ListenerView]) -> impl Iterator<Item = IpAddr> {
    let name = &group.summary.name;
    let leads = move |listener: &&ListenerView| {
        listener.target_group == *name || listener.shares.iter().any(|share| share.target_group == *name)
    };
    listeners.iter().filter(leads).map(|listener| listener.address)
}

fn ring(group: &GroupView) -> Vec<Finding> {
    let summary = &group.summary;
    let name = &summary.name;
    let filled: usize = group.targets.iter().map(|target| usize::try_from(target.slots).unwrap_or(0)).sum();
    let ring = if summary.routing == Routing::Empty {
        Finding::fail(
            "group",
            format!("`{name}` has no target with a weight above 0 and a next hop: its packets are dropped"),
            format!("see `nlb target list {name}`; nlb target register {name} ADDRESS:PORT, or nlb target set-weight"),
        )
    } else if summary.routing == Routing::Waiting {
        Finding::warn(
            "group",
            format!("`{name}` has no target yet that passed its first checks: its packets are dropped until then"),
            format!("wait for them; the check is: {}", group.health_check),
        )
    } else if filled < group.ring_slots || filled == 0 {
        Finding::fail(
            "group",
            format!("`{name}`: {} of {} slots of its ring have a target", filled, group.ring_slots),
            "the agent fills it at each change; see its log, then restart it: traffic goes on meanwhile",
        )
    } else {
        Finding::ok("group", format!("`{name}`: its ring is filled, {} healthy of {}", summary.healthy, summary.total))
    };
    let routing = match summary.routing {
        Routing::FailOpen => Some(Finding::fail(
            "group",
            format!("`{name}` fails open: no target is healthy, packets go to all of them"),
            format!("see REASON of `nlb target list {name}`; the check is: {}", group.health_check),
        )),
        Routing::OtherZones => Some(Finding::warn(
            "group",
            format!("`{name}`: no target of this edge's zone is healthy, packets go to other zones"),
            format!("see REASON of `nlb target list {name}`"),
        )),
        Routing::Healthy | Routing::Waiting | Routing::Empty => None,
    };
    std::iter::once(ring).chain(routing).collect()
}

fn target(group: &GroupView, target: &TargetView, vips: &[IpAddr], client_mtu: u32) -> Vec<Finding> {
    let name = format!("{}/{}", target.target_group, target.socket());
    let health = match target.health {
        Health::Healthy => Finding::ok("health", format!("{name} is healthy: {}", target.reason)),
        Health::Initial => Finding::note(
            "health",
            format!("{name} has not passed its first checks: {}", target.reason),
            "wait for them, or ask it as the check does: curl, nc",
        ),
        Health::Unhealthy => Finding::fail(
            "health",
            format!("{name} is unhealthy: {}", target.reason),
            "ask it as the check does, from this host: curl, nc; is its service up, does its firewall let this edge in?",
        ),
    };
    vec![way(group, target, &name, vips, client_mtu), health]
}

fn way(group: &GroupView, target: &TargetView, name: &str, vips: &[IpAddr], client_mtu: u32) -> Finding {
    let Some(hop) = &target.next_hop else {
        let why = target.no_next_hop.as_deref().unwrap_or("not resolved yet");
        return Finding::fail(
            "next hop",
            format!("{name} has none: {why}"),
            format!("ip route get {}; ip neigh show; ping {}", target.address, target.address),
        );
    };
    let forwarding = Forwarding::named(&group.forwarding).unwrap_or_default();
    let outer = forwarding.overhead(target.address);
    let needed = vips.iter().map(|&vip| forwarding.needed(client_mtu, vip, target.address)).max();
    let needed = needed.unwrap_or_else(|| client_mtu.saturating_add(outer));
    if hop.mtu < needed {
        let inner = hop.mtu.saturating_sub(outer);
        return Finding::warn(
            "MTU",
            format!(
                "{name}: the way out of `{}` has MTU {}, a client's packet of {client_mtu} bytes needs {needed} with all \
                 headers: senders of longer ones are told so, and wait for it",
                hop.interface, hop.mtu
            ),
            format!(
                "raise it on all hops between edge and target (ip link set {} mtu {needed}), or have targets announce \
                 a smaller MSS: ip route change … advmss {}",
                hop.interface,
                inner.saturating_sub(if target.address.is_ipv4() { 40 } else { 60 })
            ),
        );
    }
    let by = hop.gateway.map_or_else(|| "on the link".to_owned(), |gateway| format!("by router {gateway}"));
    Finding::ok("next hop", format!("{name}: {by}, out of `{}`, MTU {}", hop.interface, hop.mtu))
}
