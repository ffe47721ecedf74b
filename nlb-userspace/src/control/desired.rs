//! The tables that the state asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::slot::Slot;
use nlb_common::tables::{self, ListenerKey};

use super::event::{NextHop, NoNextHop};
use super::identity::target_tag;
use super::notice::Notice;
use super::select::{Candidate, select};
use super::snapshot::{RingChange, Routing};
use super::state::{Ring, State};
use crate::dataplane::Tables;
use crate::model::{Forwarding, Listener, TargetGroup, Timestamp};
use crate::ring::{self, Member};

impl State {
    /// Computes the tables. What is no longer wanted gives its place back, to rest until [`settle`](Self::settle).
    pub fn rebuild(&mut self, now: Timestamp) -> (Tables, Vec<Notice>) {
        let mut notices = Vec::new();
        let mut tables = Tables::default();
        self.give_back();
        let groups = std::mem::take(&mut self.groups);
        for group in &groups {
            self.build_targets(group, &mut tables, &mut notices);
            self.build_group(group, &mut tables, &mut notices, now);
        }
        self.groups = groups;
        self.build_listeners(&mut tables, &mut notices);
        (tables, notices)
    }

    /// The tables were written: places given back may be given out again.
    pub fn settle(&mut self) {
        self.listener_indexes.settle();
        self.group_indexes.settle();
        self.target_indexes.settle();
        self.regions.settle();
    }

    fn give_back(&mut self) {
        let listeners: BTreeSet<_> = self.configuration.listeners.iter().map(listener_key).collect();
        let groups: BTreeSet<_> = self.groups.iter().map(Self::tag_of).collect();
        let targets: BTreeSet<_> = self.conditions.keys().map(target_tag).collect();
        self.listener_indexes.retain(|key| listeners.contains(key));
        self.group_indexes.retain(|tag| groups.contains(tag));
        self.regions.retain(|tag| groups.contains(&tag));
        self.rings.retain(|tag, _| groups.contains(tag));
        self.target_indexes.retain(|tag| targets.contains(tag));
        self.adopted.retain(|tag, _| targets.contains(tag));
    }

    fn build_targets(&mut self, group: &TargetGroup, tables: &mut Tables, notices: &mut Vec<Notice>) {
        for target in &group.targets {
            let key = group.key(target);
            let tag = target_tag(&key);
            let Some(index) = self.target_indexes.assign(&tag) else {
                notices.push(Notice::Full { what: "targets", name: format!("target {key}") });
                continue;
            };
            tables.targets.insert(index, forwarded(self.entry(tag, target.address), group.forwarding));
        }
    }

    /// A target's entry: by netlink's answer, by what an earlier agent wrote while there is no answer, or not ready.
    fn entry(&self, tag: u64, address: IpAddr) -> tables::Target {
        let way = self.next_hops.get(&address);
        if let Some(Ok(hop)) = way {
            return resolved(tag, address, hop, self.configuration.agent.source_for(address));
        }
        let pending = matches!(way, None | Some(Err(NoNextHop::Pending)));
        match self.adopted.get(&tag) {
            Some(found) if pending => *found,
            _ => tables::Target { tag, destination: address.into(), ..tables::Target::default() },
        }
    }

    fn build_group(&mut self, group: &TargetGroup, tables: &mut Tables, notices: &mut Vec<Notice>, now: Timestamp) {
        let tag = Self::tag_of(group);
        let size = group.ring_size.get();
        let Some(index) = self.group_indexes.assign(&tag) else {
            notices.push(Notice::Full { what: "groups", name: format!("group {}", group.name) });
            return;
        };
        let Some(first_slot) = self.regions.assign(tag, size) else {
            notices.push(Notice::Full { what: "slots", name: format!("group {}", group.name) });
            return;
        };
        let (routing, members) = self.members(group, tables);
        let before = self.routings.insert(group.name.clone(), routing);
        if let Some(before) = before.filter(|&before| before != routing) {
            notices.push(Notice::Routing { group: group.name.clone(), before, now: routing });
        }
        let slots = self.ring(group, tag, members, notices, now);
        tables.rings.insert(index, slots);
        let affinity = nlb_common::hash::Affinity::from(group.affinity) as u8;
        tables.groups.insert(
            index,
            tables::Group { tag, first_slot, slot_mask: size - 1, affinity, tracking: 0, padding: [0; 6] },
        );
    }

    /// Who gets new flows of `group`, in the order of their identities.
    fn members(&self, group: &TargetGroup, tables: &Tables) -> (Routing, Vec<Member>) {
        let placed = |target: &crate::model::Target| {
            let identity = target_tag(&group.key(target));
            self.target_indexes.get(&identity).map(|index| Member { index, identity, weight: target.weight })
        };
        let members: Vec<Option<Member>> = group.targets.iter().map(placed).collect();
        let candidates: Vec<Candidate<'_>> = group
            .targets
            .iter()
            .zip(&members)
            .map(|(target, member)| Candidate {
                zone: target.zone.as_ref(),
                health: self.health_of(&group.key(target)),
                usable: member.is_some_and(|member| {
                    member.weight.get() > 0 && tables.targets.get(&member.index).is_some_and(tables::Target::is_ready)
                }),
            })
            .collect();
        let zone = self.configuration.agent.zone.as_ref().filter(|_| !group.cross_zone);
        let (routing, places) = select(&candidates, zone);
        let mut chosen: Vec<Member> = places.into_iter().filter_map(|place| members[place]).collect();
        chosen.sort_unstable_by_key(|member| member.identity);
        (routing, chosen)
    }

    /// The ring of `members`: the one there is when they are the same, otherwise a new one.
    fn ring(
        &mut self,
        group: &TargetGroup,
        tag: u64,
        members: Vec<Member>,
        notices: &mut Vec<Notice>,
        now: Timestamp,
    ) -> Arc<[Slot]> {
        let before = self.rings.get(&tag);
        if let Some(same) = before.filter(|ring| ring.members.as_ref() == Some(&members)) {
            return Arc::clone(&same.slots);
        }
        let built = ring::build(self.seed, group.ring_size, &members);
        let held: Vec<_> = match before {
            Some(ring) => ring.slots.iter().map(|slot| slot.current()).collect(),
            None => vec![0; built.len()],
        };
        let moved = ring::moved(&held, &built);
        let mut last_change = before.and_then(|ring| ring.last_change);
        let slots = match before {
            Some(ring) if moved == 0 => Arc::clone(&ring.slots),
            _ => built.iter().map(|&current| Slot::closed(current, 0)).collect(),
        };
        if moved > 0 {
            let change = RingChange { at: now, moved, least: ring::least_moved(&held, &built) };
            last_change = Some(change);
            notices.push(Notice::Ring { group: group.name.clone(), change, targets: members.len() });
        }
        self.rings.insert(tag, Ring { members: Some(members), slots: Arc::clone(&slots), last_change });
        slots
    }

    fn build_listeners(&mut self, tables: &mut Tables, notices: &mut Vec<Notice>) {
        let groups: BTreeMap<_, _> = self.groups.iter().map(|group| (&group.name, Self::tag_of(group))).collect();
        for listener in &self.configuration.listeners {
            let group = groups.get(&listener.group).and_then(|tag| self.group_indexes.get(tag));
            let Some(group) = group.filter(|index| tables.groups.contains_key(index)) else { continue };
            let key = listener_key(listener);
            let Some(counters) = self.listener_indexes.assign(&key) else {
                notices.push(Notice::Full { what: "listeners", name: format!("listener {}", listener.name) });
                continue;
            };
            tables.listeners.insert(key, tables::Listener { counters, group });
        }
    }
}

/// The key that a listener has in the kernel's table.
pub(super) fn listener_key(listener: &Listener) -> ListenerKey {
    ListenerKey {
        address: listener.address.into(),
        port: listener.port.to_be(),
        protocol: listener.protocol.number(),
        padding: 0,
    }
}

/// `target`, with packets that travel this way.
fn forwarded(target: tables::Target, forwarding: Forwarding) -> tables::Target {
    let gue = match forwarding {
        Forwarding::Ipip => 0,
        Forwarding::Gue => tables::Target::GUE,
    };
    tables::Target { flags: target.flags & !tables::Target::GUE | gue, ..target }
}

fn resolved(tag: u64, address: IpAddr, hop: &NextHop, configured: Option<IpNet>) -> tables::Target {
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
        mtu: u16::try_from(hop.mtu).unwrap_or(u16::MAX),
        flags: tables::Target::READY,
        source_bits: bits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_is_a_flag_beside_the_others_whatever_an_earlier_agent_wrote() {
        let ready = tables::Target { flags: tables::Target::READY, ..tables::Target::default() };
        let by_gue = forwarded(ready, Forwarding::Gue);
        assert_eq!(by_gue.flags, tables::Target::READY | tables::Target::GUE);
        assert_eq!(forwarded(by_gue, Forwarding::Gue), by_gue);
        assert_eq!(forwarded(by_gue, Forwarding::Ipip), ready);
    }
}
