//! Translated flows once more: whose they are and what is remembered of them. What becomes of their packets is in [`headers`] and
//! [`messages`].

pub(super) mod headers;
mod messages;

use std::collections::HashMap;

use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::nat::{TRIES, port};
use nlb_common::slot::Slot;
use nlb_common::tables::Target;

use super::control::Blamed;
use super::edge::{Arrived, Choice, Scene, answer};
use super::pieces::Fate;
use super::read::{self, IPV4, IPV6, Ip, Link, Transport};
use super::{End, Outcome};
use crate::packets::garbage::Garbage;
use crate::run::{Action, INGRESS};
use headers::Cut;

/// How a frame to a client begins: MAC addresses and tags.
#[derive(Clone, Debug)]
struct Client(Vec<u8>);

impl Client {
    /// The one that sent `frame`.
    fn of(frame: &[u8], link: &Link) -> Self {
        Self([&frame[6..12], &frame[..6], &frame[12..link.length - 2]].concat())
    }
}

/// What is remembered of one way of a flow.
#[derive(Clone, Debug)]
struct Session {
    target: u32,
    /// Its packets come from the target.
    back: bool,
    /// What the other way's packets come as.
    peer: Flow,
    client: Client,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: HashMap<Flow, Session>,
    /// What answers came or may come as, the first ones first.
    answers: Vec<Flow>,
}

impl Sessions {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What an answer to one of the flows comes as.
    fn one(&self, garbage: &mut Garbage) -> Option<Flow> {
        (!self.answers.is_empty()).then(|| *garbage.one_of(&self.answers))
    }

    /// A new flow to a target: its answers must not come as those of another.
    fn begin(
        &mut self,
        flow: Flow,
        (index, target): (u32, &Target),
        hash: u64,
        client: Client,
    ) -> Result<(), DropReason> {
        let from_edge = target.forwarding() == Target::NAT_SOURCE;
        if !from_edge && target.destination.is_v4() != flow.destination.is_v4() {
            return Err(DropReason::OtherFamily);
        }
        let answered = |destination, destination_port| Flow {
            source: target.destination,
            destination,
            source_port: target.port,
            destination_port,
            ..flow
        };
        let tried: Vec<_> = if from_edge {
            (0..TRIES).map(|attempt| answered(target.source, port(hash, attempt))).collect()
        } else {
            vec![answered(flow.source, flow.source_port)]
        };
        let peer = tried.into_iter().find(|peer| !self.known.contains_key(peer)).ok_or(DropReason::NoPort)?;
        let there = Session { target: index, back: false, peer, client };
        self.known.insert(peer, Session { back: true, peer: flow, ..there.clone() });
        self.known.insert(flow, there);
        self.answers.push(peer);
        Ok(())
    }

    /// Forgets a flow.
    fn end(&mut self, flow: &Flow) {
        if let Some(session) = self.known.remove(flow) {
            self.known.remove(&session.peer);
        }
    }

    /// The client's packets come another way.
    fn moved(&mut self, flow: &Flow, client: &Client) {
        let Some(session) = self.known.get_mut(flow) else { return };
        session.client = client.clone();
        let peer = session.peer;
        if let Some(session) = self.known.get_mut(&peer) {
            session.client = client.clone();
        }
    }
}

/// TTL or hop limit.
fn hops(frame: &[u8], ip: &Ip) -> u8 {
    frame[ip.packet.start + if ip.source.is_ipv4() { 8 } else { 7 }]
}

fn ether_type(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { IPV4 } else { IPV6 }
}

/// Takes the identification out of an IPv4 packet that may be fragmented: it is another each time.
pub(super) fn forget_name(frame: &mut [u8]) {
    // The client's address, to which it goes, may have been a group's: nobody looks.
    let Ok(link) = read::link(&[&[0], &frame[1..]].concat()) else { return };
    let Some(header) = frame.get_mut(link.length..link.length + 20).filter(|header| header[6..8] == [0, 0]) else {
        return;
    };
    let named = [header[4], header[5]];
    header[4..6].fill(0);
    let checksum = headers::updated(headers::word(header, 10), &named, &[0, 0]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
}

impl Scene {
    /// A client's packet to a listener whose group is translated.
    pub(super) fn translate_there(
        &mut self,
        arrived: Arrived<'_>,
        transport: &Transport,
        flow: Flow,
        slot: Slot,
        hash: u64,
    ) -> Result<(Outcome, Option<Fate>), End> {
        let (frame, link, ip, cut) = arrived;
        if hops(frame, ip) <= 1 {
            return Err(End::Drop(DropReason::HopLimit));
        }
        let remembered = self.sessions.known.get(&flow).map(|session| session.peer);
        let client = Client::of(frame, link);
        let index = match self.choose_translated(flow, transport, slot, hash, client)? {
            Choice::Target(index) => index,
            Choice::Reset => return Ok((answer(frame, link, ip, transport), None)),
            Choice::Over => return Err(End::Drop(DropReason::TargetDrained)),
        };
        let peer = self.sessions.known.get(&flow).map(|session| session.peer).or(remembered);
        self.ready(index)?;
        let answers = peer.expect("it has a target");
        let packet = headers::translated(frame, ip, cut, &flow, &answers.reversed()).map_err(End::Drop)?;
        let outcome = self.send_to_target(frame, link, ip, index, &packet)?;
        Ok((outcome, Some(Fate::Translated(flow, Some(index)))))
    }

    /// A later piece of a packet that went to a target.
    pub(super) fn send_there(&mut self, arrived: Arrived<'_>, flow: &Flow, index: u32) -> Result<Outcome, End> {
        let (frame, link, ip, cut) = arrived;
        let answers = self.sessions.known.get(flow).map(|session| session.peer);
        let answers = answers.ok_or(End::Drop(DropReason::TranslatedFragment))?;
        if hops(frame, ip) <= 1 {
            return Err(End::Drop(DropReason::HopLimit));
        }
        self.ready(index)?;
        let packet = headers::translated(frame, ip, cut, flow, &answers.reversed()).map_err(End::Drop)?;
        self.send_to_target(frame, link, ip, index, &packet)
    }

    /// `packet` in the place of `ip`, on its way to a target.
    fn send_to_target(
        &mut self,
        frame: &[u8],
        link: &Link,
        ip: &Ip,
        index: u32,
        packet: &[u8],
    ) -> Result<Outcome, End> {
        let target = self.ready(index)?;
        let same = target.interface == INGRESS;
        let macs = [target.next_hop_mac, target.source_mac].concat();
        let header = link.rewritten(frame, &macs, same, ether_type(packet));
        self.named_anew = ip.source.is_ipv6() && packet[0] >> 4 == 4;
        let action = if same { Action::Tx } else { Action::Redirect };
        Ok(Outcome { action, frame: [&header, packet, &frame[ip.packet.end..]].concat() })
    }

    /// `packet` in the place of `ip`, on its way to a client.
    fn send_to_client(&mut self, frame: &[u8], ip: &Ip, client: &Client, packet: &[u8]) -> Outcome {
        self.named_anew = ip.source.is_ipv6() && packet[0] >> 4 == 4;
        let ether_type = ether_type(packet).to_be_bytes();
        let frame = [&client.0, &ether_type[..], packet, &frame[ip.packet.end..]].concat();
        Outcome { action: Action::Tx, frame }
    }

    /// Whether packets of `flow` are a target's answers.
    pub(super) fn translates_back(&self, flow: &Flow) -> bool {
        self.sessions.known.get(flow).is_some_and(|session| session.back)
    }

    /// Such a packet.
    pub(super) fn translate_back(
        &mut self,
        answer: (&[u8], &Ip, Option<&Cut>),
        transport: &Transport,
        flow: &Flow,
    ) -> Result<Outcome, End> {
        match transport.broken {
            Some(reason) => Err(End::Drop(reason)),
            None => self.send_back(answer, flow),
        }
    }

    /// A packet of that flow, or a later piece of one.
    pub(super) fn send_back(
        &mut self,
        (frame, ip, cut): (&[u8], &Ip, Option<&Cut>),
        flow: &Flow,
    ) -> Result<Outcome, End> {
        if hops(frame, ip) <= 1 {
            return Err(End::Drop(DropReason::HopLimit));
        }
        let session = self.sessions.known.get(flow).ok_or(End::Pass)?.clone();
        let packet = headers::translated(frame, ip, cut, flow, &session.peer.reversed()).map_err(End::Drop)?;
        Ok(self.send_to_client(frame, ip, &session.client, &packet))
    }

    /// What an answer to a translated flow comes as, if there is any.
    pub fn answered(&self, garbage: &mut Garbage) -> Option<Flow> {
        self.sessions.one(garbage)
    }

    /// An error message that may be about a translated flow.
    pub(super) fn translate_message(
        &mut self,
        (frame, link, ip): (&[u8], &Link, &Ip),
        blamed: &Blamed,
    ) -> Result<Outcome, End> {
        let session = self.sessions.known.get(&blamed.flow).ok_or(End::Pass)?.clone();
        if hops(frame, ip) <= 1 {
            return Err(End::Pass);
        }
        if !session.back {
            self.ready(session.target)?;
        }
        let packet = messages::translated(frame, ip, blamed, &session.peer).map_err(End::Drop)?;
        if session.back {
            return Ok(self.send_to_client(frame, ip, &session.client, &packet));
        }
        self.send_to_target(frame, link, ip, session.target, &packet)
    }

    /// The target that is remembered of a flow.
    pub(super) fn translates_to(&self, flow: &Flow) -> Option<u32> {
        self.sessions.known.get(flow).map(|session| session.target)
    }

    /// Whose the flow is; afterwards it is remembered, unless it is over.
    fn choose_translated(
        &mut self,
        flow: Flow,
        packet: &Transport,
        slot: Slot,
        hash: u64,
        client: Client,
    ) -> Result<Choice, End> {
        let tcp = flow.protocol == 6;
        if let Some(index) = self.translates_to(&flow) {
            match self.serving(index) {
                Some(flags) if flags & Target::RESET != 0 && !packet.opens() => {
                    self.sessions.end(&flow);
                    return Ok(match () {
                        () if !tcp => Choice::Over,
                        () if packet.resets() => Choice::Target(index),
                        () => Choice::Reset,
                    });
                }
                Some(flags) if !packet.opens() || flags & (Target::DRAINING | Target::RESET) == 0 => {
                    self.sessions.moved(&flow, &client);
                    return Ok(Choice::Target(index));
                }
                _ => self.sessions.end(&flow),
            }
        }
        let (current, previous) = (slot.current(), slot.previous());
        let begins = packet.opens() || !tcp;
        let kept = slot.is_open() && !begins && self.serving(previous).is_some_and(|flags| flags & Target::RESET == 0);
        let index = if kept { previous } else { current };
        let flags = self.serving(index).ok_or(End::Drop(DropReason::NoTarget))?;
        if flags & Target::RESET != 0 {
            return Ok(if tcp && !packet.resets() { Choice::Reset } else { Choice::Over });
        }
        let target = self.targets[index as usize];
        self.sessions.begin(flow, (index, &target), hash, client).map_err(End::Drop)?;
        Ok(Choice::Target(index))
    }
}
