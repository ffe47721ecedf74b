//! The edge: tables that have everything, and what its program should do with a packet.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use anyhow::{Result, ensure};
use etherparse::TcpHeader;
use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Tracking;
use nlb_common::hash::{Flow, HashKeys};
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, FRAGMENTS, HALF_OPEN, NAT_FLOWS, NAT_NEW};
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};

use super::nat::headers::Cut;
use super::nat::{self, Sessions};
use super::pieces::{self, Datagrams, Fate};
use super::read::{self, Ip, Link, Transport};
use super::tables::{PORTS, Ring, TRANSLATED, rings, target};
use super::{End, Outcome, control, quic};
use crate::packets::garbage::Garbage;
use crate::packets::reference::{Tunnel, reset};
use crate::packets::world::{PROTOCOLS, VIPS};
use crate::run::{Action, Edge, INGRESS};

/// Room in each flow table: more than the flows of a portion, so that nothing is ever pushed out.
const ROOM: u32 = 1 << 16;

/// A loaded edge.
pub struct Scene {
    edge: Edge,
    pub(super) targets: Vec<Target>,
    rings: BTreeMap<u16, Ring>,
    pins: HashMap<Flow, u32>,
    pub(super) datagrams: Datagrams,
    pub(super) sessions: Sessions,
    /// Whether the packet that was expected last is an IPv4 one made of an IPv6 one: it has an identification that nobody foresees.
    pub(super) named_anew: bool,
}

/// A packet: its frame, link and IP header, and what a piece of a datagram says of that.
pub(super) type Arrived<'a> = (&'a [u8], &'a Link, &'a Ip, Option<&'a Cut>);

/// What becomes of a flow.
pub(super) enum Choice {
    Target(u32),
    Reset,
    Over,
}

impl Scene {
    /// Loads an edge and fills its tables.
    pub fn new() -> Result<Self> {
        let tables = [HALF_OPEN, ESTABLISHED, DATAGRAMS, FRAGMENTS, NAT_NEW, NAT_FLOWS];
        let mut room = tables.map(|table| (table, ROOM)).to_vec();
        room.push(quic::ROOM);
        let mut edge = Edge::load_sized(7, false, &room)?;
        // The first entry is never used.
        let mut targets = vec![Target::default()];
        for index in 1..TRANSLATED.end {
            edge.set_target(index, target(index))?;
            targets.push(target(index));
        }
        for vip in VIPS {
            edge.set_vip(Address::from(vip.parse::<IpAddr>()?), Some(Vip::default()))?;
            edge.shield(Address::from(vip.parse::<IpAddr>()?), true)?;
        }
        let mut all = BTreeMap::new();
        let mut first = 0;
        for (index, (port, (slots, affinity, tracking))) in (1..).zip(PORTS.zip(rings())) {
            edge.set_slots(&(first..).zip(slots.iter().copied()).collect::<Vec<_>>())?;
            let size = u32::try_from(slots.len())?;
            let group = Group { tag: 1, first_slot: first, slot_mask: size - 1, ..Group::default() };
            let group = Group { affinity: affinity as u8, tracking: tracking as u8, ..group };
            edge.set_group(index, group)?;
            for vip in VIPS {
                // SCTP is never translated.
                let protocols = if tracking == Tracking::Translated { &PROTOCOLS[..2] } else { &PROTOCOLS };
                for &protocol in protocols {
                    let address = Address::from(vip.parse::<IpAddr>()?);
                    let key = ListenerKey::new(address, protocol, port);
                    let server_id_length = if protocol == 17 { quic::server_id_length(port) } else { 0 };
                    edge.set_listener(key, Listener { server_id_length, ..Listener::new(index, index, &group) })?;
                }
            }
            quic::fill(&mut edge, index, quic::server_id_length(port))?;
            all.insert(port, Ring { slots, affinity, tracking });
            first += size;
        }
        let (pins, datagrams, sessions) = (HashMap::new(), Datagrams::new(), Sessions::default());
        Ok(Self { edge, targets, rings: all, pins, datagrams, sessions, named_anew: false })
    }

    /// As it was in the beginning.
    pub fn restore(&mut self) -> Result<()> {
        self.forget()?;
        for index in 1..TRANSLATED.end {
            self.give(index, target(index).flags)?;
        }
        Ok(())
    }

    /// Forgets all flows and datagrams.
    pub fn forget(&mut self) -> Result<()> {
        for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
            for flow in self.edge.pins(table)?.into_keys() {
                self.edge.remove_pin(table, &flow)?;
            }
        }
        for table in [NAT_NEW, NAT_FLOWS] {
            for flow in self.edge.sessions(table)?.into_keys() {
                self.edge.remove_session(table, &flow)?;
            }
        }
        self.sessions.clear();
        self.pins.clear();
        self.datagrams.clear();
        self.edge.forget_datagrams()
    }

    /// Something happens to a target.
    pub fn change(&mut self, garbage: &mut Garbage) -> Result<()> {
        const STATES: [u8; 6] = [
            Target::READY,
            Target::READY,
            Target::READY | Target::DRAINING,
            Target::READY | Target::DRAINING | Target::RESET,
            Target::READY | Target::DEAD,
            0,
        ];
        let index = 1 + u32::try_from(garbage.below(TRANSLATED.end as usize - 1))?;
        self.give(index, *garbage.one_of(&STATES) | target(index).flags & Target::FORWARDING)
    }

    fn give(&mut self, index: u32, flags: u8) -> Result<()> {
        let target = &mut self.targets[index as usize];
        target.flags = flags;
        self.edge.set_target(index, *target)
    }

    /// What the program makes of `frame`.
    pub fn run(&mut self, frame: &[u8]) -> Result<Outcome> {
        let mut outcome = self.edge.run(frame).map(Outcome::from)?;
        if self.named_anew {
            nat::forget_name(&mut outcome.frame);
        }
        for early in self.edge.early()? {
            ensure!(early == frame, "another frame is handed over: {early:02x?}");
        }
        Ok(outcome)
    }

    /// What was dropped since the program was loaded, by reason.
    pub fn drops(&self) -> Result<Vec<(DropReason, u64)>> {
        self.edge.drops()
    }

    /// What it should make of it, and what it should count. A packet changes what is expected of those that follow.
    pub fn expect(&mut self, frame: &[u8]) -> (Outcome, Option<DropReason>) {
        self.named_anew = false;
        match self.forward(frame) {
            Ok(outcome) => (outcome, None),
            Err(End::Pass) => (Outcome::untouched(Action::Pass, frame), None),
            Err(End::Drop(reason)) => (Outcome::untouched(Action::Drop, frame), Some(reason)),
        }
    }

    fn forward(&mut self, frame: &[u8]) -> Result<Outcome, End> {
        let link = read::link(frame)?;
        let ip = read::any_network(frame, link.length, link.ether_type)?;
        if ip.cut {
            return self.piece(frame, &link, &ip);
        }
        if control::message(frame, &ip).is_some() {
            return self.control(frame, &link, &ip);
        }
        if is_vip(ip.destination) && matches!(ip.protocol, 4 | 41) {
            return Err(End::Drop(DropReason::ForeignTunnel));
        }
        self.balance((frame, &link, &ip, None)).map(|(outcome, _)| outcome)
    }

    /// A piece of a datagram.
    fn piece(&mut self, frame: &[u8], link: &Link, ip: &Ip) -> Result<Outcome, End> {
        if !is_vip(ip.destination) {
            return self.piece_of_answer(frame, ip);
        }
        let piece = pieces::read(frame, ip)?;
        if piece.offset == 0 {
            let cut = self.cut(&piece);
            let verdict = self.balance((frame, link, &piece.ip, cut.as_ref()));
            let fate = match &verdict {
                Ok((_, Some(fate))) => *fate,
                Ok((_, None)) | Err(End::Drop(_)) => Fate::Dropped,
                Err(End::Pass) => Fate::Passed,
            };
            if piece.more {
                self.datagrams.insert(piece.name, fate);
            }
            return verdict.map(|(outcome, _)| outcome);
        }
        match self.datagrams.get(&piece.name) {
            Some(&Fate::Sent(index, hash)) => self.send(frame, link, ip, None, index, hash),
            Some(&Fate::Translated(flow, Some(index))) => self.later_there((frame, link), &piece, &flow, index),
            Some(Fate::Dropped) => Err(End::Drop(DropReason::FirstDropped)),
            None if piece.may_be_ours() => Ok(Outcome::untouched(Action::Drop, frame)),
            Some(_) | None => Err(End::Pass),
        }
    }

    /// A packet with ports. If it goes to a target, what later pieces need to follow it.
    fn balance(&mut self, arrived: Arrived<'_>) -> Result<(Outcome, Option<Fate>), End> {
        let (frame, link, ip, _) = arrived;
        let transport = read::transport(frame, ip)?;
        let vip = is_vip(ip.destination);
        let flow = read::flow(ip, &transport);
        let is_answer = !ip.cut && self.translates_back(&flow);
        let takes = |ring: &&Ring| vip && (ring.tracking != Tracking::Translated || ip.protocol != 132);
        let Some(ring) = self.rings.get(&transport.ports.1).filter(takes).cloned() else {
            if is_answer {
                return Ok((self.translate_back((frame, ip, None), &transport, &flow)?, None));
            }
            let is_gue = ip.protocol == 17 && transport.ports.1 == 6080 && ip.payload.len() >= 8;
            return Err(if vip && is_gue && !ip.cut { End::Drop(DropReason::ForeignTunnel) } else { End::Pass });
        };
        if let Some(reason) = transport.broken {
            return Err(End::Drop(reason));
        }
        let hash = self.edge.keys.hash(&flow, ring.affinity);
        let slot = ring.slots[usize::try_from(hash).expect("64 bits") % ring.slots.len()];
        let named = self.named(frame, ip, transport.ports.1).filter(|_| !ip.cut);
        let slot = named.map_or(slot, |target| Slot::closed(target, 0));
        if ring.tracking == Tracking::Translated {
            return self.translate_there(arrived, &transport, flow, slot, hash);
        }
        match self.choose(flow, &transport, slot, ring.tracking) {
            Choice::Target(index) => {
                let names = ip.protocol == 6 && !transport.opens() && !ip.cut;
                let second = if names { self.second(slot, index) } else { None };
                Ok((self.send(frame, link, ip, second, index, hash)?, Some(Fate::Sent(index, hash))))
            }
            Choice::Reset => Ok((answer(frame, link, ip, &transport), None)),
            Choice::Over => Err(End::Drop(DropReason::TargetDrained)),
        }
    }

    /// The target that a connection id of QUIC names, if it serves.
    fn named(&self, frame: &[u8], ip: &Ip, port: u16) -> Option<u32> {
        let length = quic::server_id_length(port);
        let target =
            quic::named(&frame[ip.payload.clone()], length.into()).filter(|_| ip.protocol == 17 && length > 0)?;
        self.serving(target).filter(|flags| flags & Target::RESET == 0).map(|_| target)
    }

    /// A message of ICMP or ICMPv6.
    fn control(&mut self, frame: &[u8], link: &Link, ip: &Ip) -> Result<Outcome, End> {
        let blamed = control::blamed(frame, ip);
        if !is_vip(ip.destination) {
            return self.translate_message((frame, link, ip), &blamed.ok_or(End::Pass)?);
        }
        if let Some(packet) = control::echoed(frame, ip) {
            let header = link.rewritten(frame, &[&frame[6..12], &frame[..6]].concat(), true, link.ether_type);
            return Ok(Outcome { action: Action::Tx, frame: [&header, &packet, &frame[ip.packet.end..]].concat() });
        }
        let blamed = blamed.ok_or(End::Pass)?;
        let flow = blamed.flow;
        let ring = self.rings.get(&u16::from_be(flow.destination_port)).ok_or(End::Pass)?;
        let hash = self.edge.keys.hash(&flow, ring.affinity);
        let slot = ring.slots[usize::try_from(hash).expect("64 bits") % ring.slots.len()];
        let owner = self.owner(&flow, slot, ring.tracking);
        if ring.tracking == Tracking::Translated {
            self.ready(self.translates_to(&flow).unwrap_or(owner))?;
            return self.translate_message((frame, link, ip), &blamed);
        }
        let second = if flow.protocol == 6 { self.second(slot, owner) } else { None };
        self.send(frame, link, ip, second, owner, hash)
    }

    /// Whose the flow is, for what is none of its packets: nothing comes of it for those that follow.
    fn owner(&self, flow: &Flow, slot: Slot, tracking: Tracking) -> u32 {
        let (current, previous) = (slot.current(), slot.previous());
        if !slot.is_open() && !slot.is_pinned() || tracking == Tracking::None {
            return current;
        }
        if let Some(&index) = self.pins.get(flow).filter(|&&index| self.serving(index).is_some()) {
            return index;
        }
        let begins = flow.protocol == 17 && tracking == Tracking::All;
        let kept = slot.is_open() && !begins && self.serving(previous).is_some_and(|flags| flags & Target::RESET == 0);
        if kept { previous } else { current }
    }

    /// What the program hashes with.
    pub(super) fn keys(&self) -> &HashKeys {
        &self.edge.keys
    }

    /// The target of that number, if it serves any flow.
    pub(super) fn serving(&self, index: u32) -> Option<u8> {
        let flags = self.targets[index as usize].flags;
        (index > 0 && flags & Target::DEAD == 0).then_some(flags)
    }

    /// Whose the flow is: the table of the design, row by row.
    fn choose(&mut self, flow: Flow, packet: &Transport, slot: Slot, tracking: Tracking) -> Choice {
        let (current, previous) = (slot.current(), slot.previous());
        if !slot.is_open() && !slot.is_pinned() || tracking == Tracking::None {
            return Choice::Target(current);
        }
        let (tcp, all) = (flow.protocol == 6, tracking == Tracking::All);
        let over = |index| match () {
            () if !tcp => Choice::Over,
            () if packet.resets() => Choice::Target(index),
            () => Choice::Reset,
        };
        let mut begins = packet.opens() || !tcp && all;
        if let Some(index) = self.pins.get(&flow).copied() {
            match self.serving(index) {
                Some(flags) if flags & Target::RESET != 0 && !packet.opens() => {
                    self.pins.remove(&flow);
                    return over(index);
                }
                Some(flags) if !packet.opens() || flags & (Target::DRAINING | Target::RESET) == 0 => {
                    return Choice::Target(index);
                }
                _ => {}
            }
            self.pins.remove(&flow);
            begins = true;
        }
        let kept = slot.is_open() && !begins && self.serving(previous).is_some_and(|flags| flags & Target::RESET == 0);
        let index = if kept { previous } else { current };
        match self.serving(index) {
            None => return Choice::Target(index),
            Some(flags) if flags & Target::RESET != 0 => return over(index),
            Some(_) => {}
        }
        if all || slot.is_open() && current != previous {
            self.pins.insert(flow, index);
        }
        Choice::Target(index)
    }

    /// The target of that number, if packets may be sent there.
    pub(super) fn ready(&self, index: u32) -> Result<&Target, End> {
        let target = &self.targets[index as usize];
        match () {
            () if index == 0 => Err(End::Drop(DropReason::NoTarget)),
            () if target.flags & Target::READY == 0 => Err(End::Drop(DropReason::NoNextHop)),
            () => Ok(target),
        }
    }

    fn send(
        &self,
        frame: &[u8],
        link: &Link,
        ip: &Ip,
        second: Option<IpAddr>,
        index: u32,
        hash: u64,
    ) -> Result<Outcome, End> {
        let target = self.ready(index)?;
        let tunnel = Tunnel { target, hash, ingress: INGRESS, second };
        // Without tags, which keep a bit that a description of them would leave out.
        let sent = tunnel.frame(&[], &frame[ip.packet.clone()], &frame[ip.packet.end..]);
        let same = target.interface == INGRESS;
        let ether_type = u16::from_be_bytes([sent[12], sent[13]]);
        let header = link.rewritten(frame, &sent[..12], same, ether_type);
        let action = if same { Action::Tx } else { Action::Redirect };
        Ok(Outcome { action, frame: [&header, &sent[14..]].concat() })
    }

    /// The slot's other target, if a tunnel to target `index` can name it.
    fn second(&self, slot: Slot, index: u32) -> Option<IpAddr> {
        let other = if index == slot.current() { slot.previous() } else { slot.current() };
        let (target, second) = (&self.targets[index as usize], &self.targets[other as usize]);
        let serves = second.flags & (Target::READY | Target::GUE | Target::DEAD | Target::RESET);
        let (here, there) = (IpAddr::from(target.destination), IpAddr::from(second.destination));
        let fits = other != 0 && other != index && serves == Target::READY | Target::GUE;
        (fits && here.is_ipv4() == there.is_ipv4()).then_some(there)
    }
}

fn is_vip(address: IpAddr) -> bool {
    VIPS.iter().any(|vip| vip.parse() == Ok(address))
}

/// The reset that the client gets.
pub(super) fn answer(frame: &[u8], link: &Link, ip: &Ip, transport: &Transport) -> Outcome {
    let payload = &frame[ip.payload.clone()];
    let (asked, data) = TcpHeader::from_slice(payload).expect("its lengths are right");
    let (from, to) = ((ip.destination, transport.ports.1), (ip.source, transport.ports.0));
    let (_, packet) = reset(from, to, ip.class, &asked, data.len());
    let header = link.rewritten(frame, &[&frame[6..12], &frame[..6]].concat(), true, link.ether_type);
    Outcome { action: Action::Tx, frame: [header, packet].concat() }
}
