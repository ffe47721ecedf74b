//! The tables that the state asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::guard::{Guard, Rate};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::{self, ListenerKey};

use super::event::{NextHop, NoNextHop};
use super::identity::endpoint_id;
use super::notice::Notice;
use super::rings::Stepped;
use super::select::{Candidate, select};
use super::snapshot::Routing;
use super::state::State;
use super::target_set::TargetSet;
use crate::dataplane::Tables;
use crate::model::{Forwarding, Listener, Name, NewFlowLimit, ServedBy, TargetGroup, TargetKey, Timestamp};
use crate::ring::Member;

/// A target of a group, and what a rebuild has looked up of it.
struct Placed {
    key: TargetKey,
    tag: u64,
    /// Its entry's index; `None`: the table is full.
    index: Option<TargetIndex>,
}

impl State {
    /// Computes the tables. What is no longer wanted gives its place back, to rest until [`settle`](Self::settle).
    pub fn rebuild(&mut self, now: Timestamp) -> (Tables, Vec<Notice>) {
        let mut notices = Vec::new();
        let mut tables = Tables::default();
        self.end_drains(now, &mut notices);
        self.resize(&mut notices, now);
        self.give_back();
        let groups = std::mem::take(&mut self.groups);
        for group in &groups {
            let placed = self.build_targets(group, &mut tables, &mut notices);
            self.build_group(group, &placed, &mut tables, &mut notices, now);
        }
        self.groups = groups;
        self.build_condemned(&mut tables);
        self.build_listeners(&mut tables, &mut notices, now);
        let slots = self.rings.values().filter_map(|ring| ring.open.due);
        self.rebuild_due = slots.chain(self.life_due(now)).chain(self.first_round_due(now)).min();
        (tables, notices)
    }

    /// The tables were written: places given back may be given out again.
    pub fn settle(&mut self) {
        self.listener_indexes.settle();
        self.group_indexes.settle();
        self.access_numbers.settle();
        self.target_indexes.settle();
        self.regions.settle();
    }

    fn give_back(&mut self) {
        let listeners: BTreeSet<_> = self.listeners.iter().map(listener_key).collect();
        let own = self.listeners.iter().filter_map(|listener| self.own_tag(listener));
        let own: BTreeSet<_> = own.map(|(tag, _)| tag).collect();
        let groups: BTreeSet<_> = self.groups.iter().map(|group| self.tag_of(group)).chain(own).collect();
        let targets: BTreeSet<_> = self.conditions.values().map(|condition| condition.tag).collect();
        // A pin may name an entry that nobody else does: it goes, and its index is another's, after a sweep only.
        self.condemned = self.target_indexes.owners().filter(|tag| !targets.contains(tag)).copied().collect();
        if let Some(sweep) = &mut self.sweep {
            sweep.unnamed.retain(|tag| self.condemned.contains(tag));
        }
        self.listener_indexes.retain(|key| listeners.contains(key));
        let lists = self.listeners.iter().filter_map(|listener| listener.access.list.as_ref());
        let lists: BTreeSet<_> = lists.map(|list| list.tag()).collect();
        self.access_numbers.retain(|tag| lists.contains(tag));
        self.group_indexes.retain(|tag| groups.contains(tag));
        self.regions.retain(|tag| groups.contains(&tag));
        // A listener that gets another ring takes over what the ring before holds.
        let before: BTreeSet<_> = self.served.values().copied().collect();
        self.rings.retain(|tag, _| groups.contains(tag) || before.contains(tag));
        self.choices.retain(|tag, _| groups.contains(tag));
        self.adopted.retain(|tag, _| targets.contains(tag));
    }

    /// Gives the targets in the order of [`with_leaving`](Self::with_leaving).
    fn build_targets(&mut self, group: &TargetGroup, tables: &mut Tables, notices: &mut Vec<Notice>) -> Vec<Placed> {
        let placed = |target| {
            let key = group.key(target);
            Placed { tag: self.tag_of_target(&key), key, index: None }
        };
        let mut targets: Vec<Placed> = self.with_leaving(group).map(placed).collect();
        for Placed { key, tag, index: place } in &mut targets {
            let (tag, address) = (*tag, key.address);
            *place = self.target_indexes.assign(&tag);
            let Some(index) = *place else {
                notices.push(Notice::Full { what: "targets", name: format!("target {key}") });
                continue;
            };
            if group.forwarding.is_tunnel() {
                self.shield(address, tables);
            }
            let entry = self.entry(tag, address, group.forwarding);
            tables
                .targets
                .insert(index, tables::Target { port: key.port.to_be(), ..forwarded(entry, group.forwarding) });
        }
        targets
    }

    /// No tunnel may lead to the address from outside, unless that is wished.
    fn shield(&self, address: IpAddr, tables: &mut Tables) {
        if self.configuration.agent.drop_foreign_tunnels {
            tables.shielded.insert(address.into());
        }
    }

    /// Entries that are there until no pin names them.
    fn build_condemned(&self, tables: &mut Tables) {
        for &tag in &self.condemned {
            if let Some(index) = self.target_indexes.get(&tag) {
                let flags = tables::Target::DEAD;
                tables.targets.insert(index, tables::Target { tag, flags, ..tables::Target::default() });
            }
        }
    }

    /// What each target of `group` may still do, written into its entry. Gives what the group's slots follow from.
    fn build_lives(
        &self,
        group: &TargetGroup,
        placed: &[Placed],
        members: &[Member],
        tables: &mut Tables,
        now: Timestamp,
    ) -> Stepped {
        let (mut exist, mut serve) = (TargetSet::default(), TargetSet::default());
        let members: TargetSet = members.iter().map(|member| member.index).collect();
        for Placed { key, index, .. } in placed {
            let Some(index) = *index else { continue };
            let Some(entry) = tables.targets.get_mut(&index) else { continue };
            let flags = self.flags(group, key, members.contains(index), now);
            entry.flags |= flags;
            exist.insert(index);
            if flags & tables::Target::DEAD == 0 {
                serve.insert(index);
            }
        }
        Stepped::new(group, &self.rules_of(&group.name), exist, serve)
    }

    /// A target's entry: by netlink's answer, by what an earlier agent wrote while there is no answer, or not ready.
    fn entry(&self, tag: u64, address: IpAddr, forwarding: Forwarding) -> tables::Target {
        match (self.way_to(address, forwarding), self.adopted.get(&tag)) {
            (Ok(hop), _) => {
                let outer = self.configuration.agent.source_for(address);
                // What is answered to, and sent back, must come back: it is from one address.
                let outer = outer.filter(|_| !matches!(forwarding, Forwarding::Nat { .. } | Forwarding::Geneve));
                resolved(tag, address, &hop, outer, hop.mtu.saturating_sub(forwarding.overhead(address)))
            }
            (Err(NoNextHop::Pending), Some(found)) => {
                tables::Target { flags: found.flags & tables::Target::READY, ..*found }
            }
            (Err(_), _) => tables::Target { tag, destination: address.into(), ..tables::Target::default() },
        }
    }

    fn build_group(
        &mut self,
        group: &TargetGroup,
        placed: &[Placed],
        tables: &mut Tables,
        notices: &mut Vec<Notice>,
        now: Timestamp,
    ) {
        let tag = self.tag_of(group);
        let size = self.size_of(group).get();
        let Some(index) = self.group_indexes.assign(&tag) else {
            notices.push(Notice::Full { what: "groups", name: format!("group {}", group.name) });
            return;
        };
        let Some(first_slot) = self.regions.assign(tag, size) else {
            notices.push(Notice::Full { what: "slots", name: format!("group {}", group.name) });
            return;
        };
        let (routing, members) = self.members(group, placed, tables, now);
        if self.is_fresh(group) {
            self.begin_risen(placed, &members);
        }
        let stepped = self.build_lives(group, placed, &members, tables, now);
        let tracking = stepped.tracking as u8;
        let before = match self.routings.get_mut(&group.name) {
            Some(known) => Some(std::mem::replace(known, routing)),
            None => self.routings.insert(group.name.clone(), routing),
        };
        if let Some(before) = before.filter(|&before| before != routing) {
            notices.push(Notice::Routing { group: group.name.clone(), before, now: routing });
        }
        let slots = self.ring(group, first_slot, members, stepped, notices, now);
        tables.rings.insert(index, slots);
        let affinity = nlb_common::hash::Affinity::from(group.affinity) as u8;
        tables
            .groups
            .insert(index, tables::Group { tag, first_slot, slot_mask: size - 1, affinity, tracking, padding: [0; 6] });
    }

    /// The targets of a first ring have their shares from the beginning: there is nobody to take them over from.
    fn begin_risen(&mut self, placed: &[Placed], members: &[Member]) {
        let members: BTreeSet<u64> = members.iter().map(|member| member.identity).collect();
        for Placed { key, .. } in placed.iter().filter(|placed| members.contains(&placed.tag)) {
            if let Some(condition) = self.conditions.get_mut(key) {
                condition.rises_from = None;
            }
        }
    }

    /// Who gets new flows of `group`, in the order of their identities.
    fn members(
        &self,
        group: &TargetGroup,
        placed: &[Placed],
        tables: &Tables,
        now: Timestamp,
    ) -> (Routing, Vec<Member>) {
        let rising = self.rising(group, now);
        let member = |(target, placed): (&crate::model::Target, &Placed)| {
            let weight = rising.get(&placed.key).copied().unwrap_or(target.weight);
            placed.index.map(|index| Member { index, identity: placed.tag, weight })
        };
        let members: Vec<Option<Member>> = group.targets.iter().zip(placed).map(member).collect();
        let is_fresh = self.is_fresh(group);
        let candidates: Vec<Candidate<'_>> = group
            .targets
            .iter()
            .zip(placed)
            .zip(&members)
            .map(|((target, Placed { key, .. }), member)| Candidate {
                zone: target.zone.as_ref(),
                health: self.health_of(key),
                awaited: is_fresh && self.awaited_until(group, target, now).is_some(),
                usable: !self.drains.contains_key(key)
                    && member.is_some_and(|member| {
                        member.weight.get() > 0
                            && tables.targets.get(&member.index).is_some_and(tables::Target::is_ready)
                    }),
            })
            .collect();
        let zone = self.configuration.agent.zone.as_ref().filter(|_| !group.cross_zone);
        let (routing, places) = select(&candidates, zone);
        let mut chosen: Vec<Member> = places.into_iter().filter_map(|place| members[place]).collect();
        chosen.sort_unstable_by_key(|member| member.identity);
        (routing, chosen)
    }

    fn build_listeners(&mut self, tables: &mut Tables, notices: &mut Vec<Notice>, now: Timestamp) {
        let indexes = self.group_indexes_by_name();
        let mut served = BTreeMap::new();
        let listeners = std::mem::take(&mut self.listeners);
        let by_group = Self::listeners_by_group(&listeners);
        for listener in &listeners {
            let group = match &listener.served_by {
                ServedBy::Group(name) => indexes.get(name).copied(),
                ServedBy::Shares(shares) => self.build_shared(listener, shares, tables, notices, now),
            };
            let Some((index, group)) = group.and_then(|index| Some((index, *tables.groups.get(&index)?))) else {
                continue;
            };
            let key = listener_key(listener);
            let Some(counters) = self.listener_indexes.assign(&key) else {
                notices.push(Notice::Full { what: "listeners", name: format!("listener {}", listener.name) });
                continue;
            };
            let access = match &listener.access.list {
                None => 0,
                Some(list) => match self.access_numbers.assign(&list.tag()) {
                    Some(number) => {
                        tables.access.insert(number, Arc::clone(list));
                        number
                    }
                    // Nobody is let in whom the list might deny.
                    None => continue,
                },
            };
            let in_group = listener.served_by.groups().next().and_then(|name| by_group.get(name));
            let sketch = Self::sketch(&key, counters, in_group.copied().unwrap_or_default());
            let endpoint = match listener.vip() {
                Some(vip) => {
                    let flags = if self.configuration.is_exclusive(vip) { tables::Vip::EXCLUSIVE } else { 0 };
                    tables.vips.insert(key.address, tables::Vip { flags });
                    self.shield(vip, tables);
                    0
                }
                None => endpoint_id(&listener.name),
            };
            let guard = guard(access, listener.new_flows);
            let plain = tables::Listener::new(counters, index, &group);
            let mut value = tables::Listener { sketch, guard, endpoint, ..plain };
            if let Some(quic) = listener.quic {
                self.build_quic(listener, quic, counters, tables, notices);
                value.server_id_length = quic.server_id_length;
                let served_by = self.groups.iter().find(|group| listener.served_by.is_by(&group.name));
                value.tracking = served_by.map_or(value.tracking, Self::quic_tracking);
            }
            tables.listeners.insert(key, value);
            served.insert(key, group.tag);
        }
        self.listeners = listeners;
        self.served = served;
    }

    /// The index of each group's entry.
    fn group_indexes_by_name(&self) -> HashMap<Name, u32> {
        let index = |group: &TargetGroup| Some((group.name.clone(), self.group_indexes.get(&self.tag_of(group))?));
        self.groups.iter().filter_map(index).collect()
    }
}

/// What guards a listener whose access list has that number.
fn guard(access: u32, new_flows: Option<NewFlowLimit>) -> Guard {
    let Some(NewFlowLimit { rate, burst, prefix_v4, prefix_v6 }) = new_flows else {
        return Guard { access, ..Guard::NONE };
    };
    let rate = Rate { per_second: rate.get(), burst: burst.get() };
    Guard { access, prefix_v4, prefix_v6, padding: [0; 2], rate }
}

/// The key that a listener has in the kernel's table.
pub(super) fn listener_key(listener: &Listener) -> ListenerKey {
    let (first, last) = (listener.ports.first(), listener.ports.last());
    if let Some(length) = listener.prefix_length {
        const V4_MAPPED: u8 = 96;
        let mapped = if listener.address.is_ipv4() { V4_MAPPED } else { 0 };
        return ListenerKey::of_network(listener.address.into(), mapped + length);
    }
    ListenerKey::of_ports(listener.address.into(), listener.protocol.number(), first, last)
}

/// `target`, with packets that travel this way.
fn forwarded(target: tables::Target, forwarding: Forwarding) -> tables::Target {
    let way = match forwarding {
        Forwarding::Ipip => tables::Target::IPIP,
        Forwarding::Gue => tables::Target::GUE,
        Forwarding::L2 => tables::Target::L2,
        Forwarding::Nat { source: false } => tables::Target::NAT,
        Forwarding::Nat { source: true } => tables::Target::NAT_SOURCE,
        Forwarding::Geneve => tables::Target::GENEVE,
    };
    tables::Target { flags: target.flags & !tables::Target::FORWARDING | way, ..target }
}

/// `mtu`: what the way leaves a client's packet.
fn resolved(tag: u64, address: IpAddr, hop: &NextHop, configured: Option<IpNet>, mtu: u32) -> tables::Target {
    let (source, bits) = match configured {
        Some(net) => (net.network(), net.max_prefix_len() - net.prefix_len()),
        None => (hop.source, 0),
    };
    tables::Target {
        tag,
        destination: address.into(),
        source: Address::from(source),
        interface: hop.interface,
        next_hop_mac: hop.mac,
        source_mac: hop.source_mac,
        mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
        flags: tables::Target::READY,
        source_bits: bits,
        port: 0,
        padding: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_stands_beside_the_flags_whatever_an_earlier_agent_wrote() {
        let ready = tables::Target { flags: tables::Target::READY, ..tables::Target::default() };
        for (name, before) in Forwarding::NAMES {
            let before = forwarded(ready, before);
            assert_eq!(before.flags & !tables::Target::FORWARDING, ready.flags, "{name}");
            for (name, forwarding) in Forwarding::NAMES {
                assert_eq!(forwarded(before, forwarding), forwarded(ready, forwarding), "{name}");
                assert_eq!(forwarding == Forwarding::Ipip, forwarded(ready, forwarding) == ready, "{name}");
            }
        }
    }
}
