//! Which target a flow gets, and why: the packet path's decision, made again over a snapshot.
//!
//! A pure function, used by the API and in tests. It follows the packet path stage by stage and says what each stage
//! found; it reads the same ring, the same hash and the same tables. What the kernel remembers of the flow is passed in.

use std::net::{IpAddr, SocketAddr};

use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::slot::{Slot, TargetIndex};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::dto::{NextHopView, Routing};
use crate::control::snapshot::{GroupState, ListenerState, Snapshot, TargetState};
use crate::model::{Forwarding, Listener, Name, Protocol, Verdict as Access};

/// A flow, as a user names it. Both addresses are of the same family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowQuery {
    source: SocketAddr,
    destination: SocketAddr,
    protocol: Protocol,
}

/// Addresses of different families in one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source {} and destination {} are not of the same IP version", .source_ip, .destination_ip)]
pub struct MixedFamilies {
    /// The client's address.
    pub source_ip: IpAddr,
    /// The VIP.
    pub destination_ip: IpAddr,
}

impl FlowQuery {
    /// The flow from `source` to `destination`.
    pub fn new(source: SocketAddr, destination: SocketAddr, protocol: Protocol) -> Result<Self, MixedFamilies> {
        if source.is_ipv4() == destination.is_ipv4() {
            Ok(Self { source, destination, protocol })
        } else {
            Err(MixedFamilies { source_ip: source.ip(), destination_ip: destination.ip() })
        }
    }

    /// The flow as the packet path sees it.
    pub fn flow(&self) -> Flow {
        Flow {
            source: self.source.ip().into(),
            destination: self.destination.ip().into(),
            source_port: self.source.port().to_be(),
            destination_port: self.destination.port().to_be(),
            protocol: self.protocol.number(),
            padding: [0; 3],
        }
    }
}

/// What becomes of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes to a target.
    Forwarded,
    /// It is dropped.
    Dropped,
    /// It goes to this host's own stack.
    Passed,
    /// Its sender is told that nobody serves it.
    Refused,
}

/// What becomes of a flow, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub summary: String,
    /// Name of the listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Name of the target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<String>,
    /// Number of the slot within the group's ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The target: `address:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Each stage of the decision, in the packet's order.
    pub steps: Vec<Step>,
}

/// One stage of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The stage: `listener`, `access`, `limit`, `share`, `group`, `hash`, `slot`, `flow`, `target`, `next hop`,
    /// `outer header`, `size` or `second chance`.
    pub stage: String,
    /// What it found.
    pub text: String,
}

/// Follows `query` through `snapshot`; `pin` is what is remembered of the flow.
pub fn explain(snapshot: &Snapshot, query: &FlowQuery, pin: Option<&Pin>) -> Explanation {
    let mut story = Story::new();
    match story.tell(snapshot, query, pin) {
        Ok(summary) => story.end(Verdict::Forwarded, summary),
        Err((verdict, summary)) => story.end(verdict, summary),
    }
}

struct Story(Explanation);

impl Story {
    const fn new() -> Self {
        Self(Explanation {
            verdict: Verdict::Passed,
            summary: String::new(),
            listener: None,
            target_group: None,
            slot: None,
            target: None,
            steps: Vec::new(),
        })
    }

    fn step(&mut self, stage: &str, text: String) {
        self.0.steps.push(Step { stage: stage.to_owned(), text });
    }

    fn end(mut self, verdict: Verdict, summary: String) -> Explanation {
        self.0.verdict = verdict;
        self.0.summary = summary;
        self.0
    }

    fn tell(&mut self, snapshot: &Snapshot, query: &FlowQuery, pin: Option<&Pin>) -> Result<String, (Verdict, String)> {
        let listener = self.listener(snapshot, query)?;
        self.guard(listener, query)?;
        let served_by = &listener.listener.served_by;
        let group = snapshot.serving(listener).ok_or_else(|| {
            let name = &listener.listener.name;
            (Verdict::Dropped, format!("listener `{name}` names group `{served_by}`, which is not there"))
        })?;
        let group = group.as_ref();
        self.shares(snapshot, listener);
        self.group(group);
        let slot = self.slot(snapshot, group, query)?;
        let index = self.remembered(group, slot, pin);
        let target = self.target(group, index)?;
        self.0.target_group = Some(target.key.group.to_string());
        let summary = self.way(snapshot, query, target)?;
        if forwarding(snapshot, &target.key.group) == Forwarding::Gue && query.protocol == Protocol::Tcp {
            self.second_chance(group, slot, target);
        }
        Ok(summary)
    }

    fn listener<'s>(
        &mut self,
        snapshot: &'s Snapshot,
        query: &FlowQuery,
    ) -> Result<&'s ListenerState, (Verdict, String)> {
        let wanted = query.destination;
        let takes = |state: &&ListenerState| {
            let Listener { address, protocol, ports, .. } = &state.listener;
            (*address, *protocol) == (wanted.ip(), query.protocol) && ports.contains(wanted.port())
        };
        let mut found: Vec<_> = snapshot.listeners.iter().filter(takes).collect();
        found.sort_by_key(|state| state.listener.ports.count());
        let Some((&state, others)) = found.split_first() else {
            self.step("listener", format!("none accepts {} {wanted}", query.protocol));
            self.step("listener", nearest(snapshot, query));
            if snapshot.configuration.is_exclusive(wanted.ip()) {
                let how = match query.protocol {
                    Protocol::Tcp => "a reset",
                    Protocol::Udp | Protocol::Sctp => "`port unreachable`",
                };
                let summary = format!("no listener, and {} is exclusive: the sender gets {how}", wanted.ip());
                return Err((Verdict::Refused, summary));
            }
            return Err((Verdict::Passed, "no listener: the packet passes to this host's own stack".to_owned()));
        };
        let name = &state.listener.name;
        self.0.listener = Some(name.to_string());
        self.step("listener", format!("`{name}` accepts {} {}", query.protocol, state.listener.place()));
        if !others.is_empty() {
            let others =
                others.iter().map(|ListenerState { listener, .. }| format!("`{}` {}", listener.name, listener.place()));
            let text = format!("less specific: {}", others.collect::<Vec<_>>().join(", "));
            self.step("listener", text);
        }
        Ok(state)
    }

    /// What each group has of a listener that several share.
    fn shares(&mut self, snapshot: &Snapshot, listener: &ListenerState) {
        let shares = listener.shares(snapshot);
        let slots = listener.own_ring.as_ref().map_or(0, |own| own.ring.len());
        for (share, held) in shares {
            let text = format!("`{}` with weight {} has {held} of {slots} slots", share.group, share.weight.get());
            self.step("share", text);
        }
    }

    fn guard(&mut self, state: &ListenerState, query: &FlowQuery) -> Result<(), (Verdict, String)> {
        let ListenerState { listener, .. } = state;
        let source = query.source.ip();
        if let Some((verdict, network)) = listener.access.list.as_ref().and_then(|list| list.verdict(source)) {
            let says = if verdict == Access::Allow { "allows" } else { "denies" };
            self.step("access", format!("the list {says} {network}, the longest prefix of {source}"));
            if verdict == Access::Deny {
                let reason = DropReason::SourceDenied.name();
                let summary = format!("dropped as `{reason}`: `{}` lets nobody in from {network}", listener.name);
                return Err((Verdict::Dropped, summary));
            }
        }
        if let Some(limit) = listener.new_flows {
            let reason = DropReason::NewFlowLimit.name();
            self.step("limit", format!("new flows: {limit}; SYNs beyond are dropped as `{reason}`"));
        }
        Ok(())
    }

    fn group(&mut self, group: &GroupState) {
        self.0.target_group = Some(group.name.to_string());
        let total = group.targets.len();
        let routing = match Routing::from(group.routing) {
            Routing::Healthy => "new flows go to its healthy targets",
            Routing::OtherZones => "new flows go to healthy targets of other zones: this edge's zone has none",
            Routing::FailOpen => "FAIL OPEN: no target is healthy, so new flows go to all of them",
            Routing::Waiting => "no flows yet: its targets are at their first checks",
            Routing::Empty => "it has no target with a weight above 0 and a next hop",
        };
        self.step("group", format!("`{}` has {total} target{}; {routing}", group.name, plural(total)));
    }

    fn slot(&mut self, snapshot: &Snapshot, group: &GroupState, query: &FlowQuery) -> Result<Slot, (Verdict, String)> {
        let hash = snapshot.hash_keys().hash(&query.flow(), group.affinity.into());
        self.step("hash", format!("affinity {} hashes to {hash:#018x}", group.affinity.about()));
        let no_ring = || (Verdict::Dropped, format!("group `{}` has no ring yet", group.name));
        let mask = group.ring.len().checked_sub(1).and_then(|mask| u32::try_from(mask).ok()).ok_or_else(no_ring)?;
        let low = u32::try_from(hash & u64::from(mask)).unwrap_or(mask);
        let slot = usize::try_from(low).ok().and_then(|low| group.ring.get(low)).copied().ok_or_else(no_ring)?;
        self.0.slot = Some(low);
        self.step(
            "slot",
            format!(
                "{low} of {}, entry {} of the slot table: word {:#018x}, {}",
                group.ring.len(),
                group.first_slot.saturating_add(low),
                slot.0,
                flags(slot)
            ),
        );
        Ok(slot)
    }

    /// Which target the slot and what is remembered give the flow's next packet.
    fn remembered(&mut self, group: &GroupState, slot: Slot, pin: Option<&Pin>) -> TargetIndex {
        let name = |index: TargetIndex| {
            let known = group.targets.iter().find(|target| target.index == index);
            known.map_or_else(|| format!("target {index}"), |target| target.key.socket().to_string())
        };
        if slot.is_steady() {
            self.step("flow", "the slot is steady: no flow of it is looked up".to_owned());
            return slot.current();
        }
        let serves = |pin: &&Pin| group.targets.iter().any(|target| target.index == pin.target && target.serves);
        if let Some(pin) = pin.filter(|pin| !serves(pin)) {
            let target = name(pin.target);
            self.step("flow", format!("it is remembered for {target}, which serves no more: it is selected anew"));
            return slot.current();
        }
        if let Some(pin) = pin {
            let fin = if pin.flags & Pin::FIN == 0 { "" } else { ", and the client has sent a FIN" };
            self.step("flow", format!("it is remembered for {}{fin}", name(pin.target)));
            return pin.target;
        }
        if !slot.is_open() {
            self.step("flow", "nothing is remembered of it: it belongs to the current target".to_owned());
            return slot.current();
        }
        let previous = if slot.previous() == 0 { slot.current() } else { slot.previous() };
        self.step(
            "flow",
            format!(
                "nothing is remembered of it: if it has begun already it belongs to {}; a new one would go to {}",
                name(previous),
                name(slot.current())
            ),
        );
        slot.current()
    }

    fn target<'s>(&mut self, group: &'s GroupState, index: TargetIndex) -> Result<&'s TargetState, (Verdict, String)> {
        let Some(target) = group.targets.iter().find(|target| index != 0 && target.index == index) else {
            let why = if index == 0 { "the slot names no target".to_owned() } else { format!("no target {index}") };
            self.step("target", format!("{why}: dropped as `{}`", DropReason::NoTarget.name()));
            return Err((Verdict::Dropped, format!("dropped: group `{}` has no target to give", group.name)));
        };
        self.0.target = Some(target.key.socket().to_string());
        let share = 100.0 * f64::from(target.slots) / u32::try_from(group.ring.len()).map_or(1.0, f64::from);
        self.step(
            "target",
            format!(
                "{} (entry {index}, weight {}, {share:.1} % of the ring), {}: {}",
                target.key.socket(),
                target.target.weight.get(),
                crate::api::dto::Health::from(target.health),
                target.reason
            ),
        );
        Ok(target)
    }

    /// The target that packets after the first name besides the one that they go to.
    fn second_chance(&mut self, group: &GroupState, slot: Slot, target: &TargetState) {
        let other = if target.index == slot.current() { slot.previous() } else { slot.current() };
        let known = group.targets.iter().find(|known| other != target.index && known.index == other);
        let text = match known {
            None => "none: the slot knows no other target".to_owned(),
            Some(second) => {
                let name = second.key.socket();
                let is_cut = second.draining.is_some_and(|draining| draining.cutting);
                if !second.serves || is_cut {
                    format!("none: the slot's other target, {name}, serves no more")
                } else if second.next_hop.is_err() {
                    format!("none: there is no way to the slot's other target, {name}")
                } else if second.key.address.is_ipv4() != target.key.address.is_ipv4() {
                    format!("none: the slot's other target, {name}, is of the other family")
                } else {
                    format!(
                        "all packets but a SYN name {name}: there they go on if {} has no such connection",
                        target.key.socket()
                    )
                }
            }
        };
        self.step("second chance", text);
    }

    fn way(
        &mut self,
        snapshot: &Snapshot,
        query: &FlowQuery,
        target: &TargetState,
    ) -> Result<String, (Verdict, String)> {
        let address = target.key.address;
        let hop = match &target.next_hop {
            Ok(hop) => NextHopView::of(snapshot, address, hop),
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
        let header = match forwarding {
            Forwarding::Ipip => format!("{inner} in {outer}, from {}{varied} to {address}", hop.source),
            Forwarding::Gue => format!("{inner} in GUE in UDP in {outer}, from {}{varied} to {address}", hop.source),
            Forwarding::L2 => "none: the packet stays as it is, its frame gets that MAC address".to_owned(),
            Forwarding::Nat { source } => {
                let to = target.key.socket();
                let from = if source { format!("a port of {}", hop.source) } else { "the client's address".to_owned() };
                format!("none: the packet is translated, from {from} to {to}; its answers come back through this edge")
            }
        };
        self.step("outer header", header);
        let fits = hop.mtu.saturating_sub(forwarding.overhead(address));
        let answer = if query.destination.is_ipv4() { "fragmentation needed" } else { "packet too big" };
        self.step("size", format!("up to {fits} bytes; a longer packet's sender gets `{answer}`"));
        let fragments = match forwarding {
            Forwarding::Nat { .. } => format!("dropped as `{}`", DropReason::TranslatedFragment.name()),
            _ => "all of a datagram go there; one that comes before the first waits for it".to_owned(),
        };
        self.step("fragments", fragments);
        Ok(format!("goes to target {} out of `{}`", target.key.socket(), hop.interface))
    }
}

fn forwarding(snapshot: &Snapshot, group: &Name) -> Forwarding {
    snapshot.configuration.group(group).map_or_else(Forwarding::default, |group| group.forwarding)
}

fn flags(slot: Slot) -> &'static str {
    match (slot.is_open(), slot.is_pinned()) {
        (false, false) => "steady: the current target gets every packet",
        (true, false) => "open: flows from before the change may still go to the previous target",
        (false, true) => "pinned: single flows may be remembered for another target",
        (true, true) => "open and pinned: flows from before the change may go to the previous or a remembered target",
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

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
