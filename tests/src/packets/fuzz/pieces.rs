//! Fragments read once more, straight from the RFCs, and what is remembered of datagrams.

use std::collections::HashMap;
use std::net::IpAddr;

use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::{Affinity, Flow};

use super::edge::Scene;
use super::nat::headers::Cut;
use super::read::{self, Ip, Link};
use super::{End, Outcome};

/// What became of a datagram's first fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went to that target, with that hash.
    Sent(u32, u64),
    /// It was of that flow, which is translated, and a client's to that target, or an answer.
    Translated(Flow, Option<u32>),
    /// To the stack.
    Passed,
    /// It was dropped.
    Dropped,
}

/// Source, destination, identification; for IPv4 the protocol too.
pub type Name = (IpAddr, IpAddr, u32, Option<u8>);

/// All datagrams of which a first fragment came.
pub type Datagrams = HashMap<Name, Fate>;

/// A fragment.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The packet: its payload is the piece, or for the first piece what stands behind all extension headers.
    pub ip: Ip,
    /// Of its datagram.
    pub name: Name,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Others follow.
    pub more: bool,
    /// It is the first by IPv6, with extension headers behind the fragment header.
    pub is_extended: bool,
}

/// Reads the fragment whose IP header is `ip`.
pub fn read(frame: &[u8], ip: &Ip) -> Result<Piece, End> {
    let header = ip.payload.start - ip.packet.start;
    let (piece, length, before) = if ip.source.is_ipv4() {
        let word = u16::from_be_bytes([frame[ip.packet.start + 6], frame[ip.packet.start + 7]]);
        let identification = u16::from_be_bytes([frame[ip.packet.start + 4], frame[ip.packet.start + 5]]).into();
        let name = (ip.source, ip.destination, identification, Some(ip.protocol));
        let (offset, more) = (usize::from(word & 0x1fff) * 8, word & 0x2000 != 0);
        (Piece { ip: ip.clone(), name, offset, more, is_extended: false }, ip.payload.len(), header)
    } else {
        let here = &frame[ip.payload.start..];
        if here.len() < 8 || ip.payload.len() < 8 {
            return Err(End::Drop(DropReason::TruncatedNetwork));
        }
        let word = u16::from_be_bytes([here[2], here[3]]);
        let (offset, more) = (usize::from(word & 0xfff8), word & 1 == 1);
        let name = (ip.source, ip.destination, u32::from_be_bytes([here[4], here[5], here[6], here[7]]), None);
        let length = ip.payload.len() - 8;
        let (protocol, behind) =
            if offset == 0 { read::extensions(&here[8..], length, here[0])? } else { (here[0], 0) };
        let payload = ip.payload.start + 8 + behind..ip.payload.end;
        (
            Piece { ip: Ip { protocol, payload, more, ..ip.clone() }, name, offset, more, is_extended: behind > 0 },
            length,
            header - 40,
        )
    };
    let torn = piece.more && length % 8 != 0;
    let across = piece.ip.protocol == 6 && (8..20).contains(&piece.offset);
    if length == 0 || torn || across || before + piece.offset + length > 65_535 {
        return Err(End::Drop(DropReason::BadFragment));
    }
    Ok(piece)
}

impl Piece {
    /// Whether it may be of a protocol that is balanced.
    pub fn may_be_ours(&self) -> bool {
        match self.ip.protocol {
            6 | 17 | 132 => true,
            // Headers of which only the first fragment has all.
            0 | 43 | 51 | 60 => self.name.3.is_none(),
            _ => false,
        }
    }
}

impl Scene {
    /// What a piece says of its datagram once it is translated; `None`: it is all of it. By IPv4 it has another identification: the
    /// same for all of the datagram, and as far as before from its sender's others.
    pub(super) fn cut(&self, piece: &Piece) -> Option<Cut> {
        let (source, destination, identification, _) = piece.name;
        let (source, destination) = (Address::from(source), Address::from(destination));
        let moved = self.keys().hash(&Flow { source, destination, ..Flow::default() }, Affinity::Flow);
        let low = u32::try_from(moved & 0xffff_ffff).expect("32 bits");
        let Piece { offset, more, is_extended, .. } = *piece;
        let identification = identification.wrapping_add(low);
        (offset != 0 || more).then_some(Cut { identification, offset, more, is_extended })
    }

    /// A piece that is for no VIP: of an answer to a translated flow, or of nobody's.
    pub(super) fn piece_of_answer(&mut self, frame: &[u8], ip: &Ip) -> Result<Outcome, End> {
        let piece = read(frame, ip).map_err(|_| End::Pass)?;
        if piece.offset != 0 {
            return match self.datagrams.get(&piece.name) {
                Some(&Fate::Translated(flow, None)) => self.later_of_answer(frame, &piece, &flow),
                Some(Fate::Dropped) => Err(End::Drop(DropReason::FirstDropped)),
                _ => Err(End::Pass),
            };
        }
        let transport = read::transport(frame, &piece.ip).map_err(|_| End::Pass)?;
        let flow = read::flow(&piece.ip, &transport);
        if !self.translates_back(&flow) {
            return Err(End::Pass);
        }
        let cut = self.cut(&piece);
        let verdict = self.translate_back((frame, &piece.ip, cut.as_ref()), &transport, &flow);
        if piece.more {
            let fate = if verdict.is_ok() { Fate::Translated(flow, None) } else { Fate::Dropped };
            self.datagrams.insert(piece.name, fate);
        }
        verdict
    }

    fn later_of_answer(&mut self, frame: &[u8], piece: &Piece, flow: &Flow) -> Result<Outcome, End> {
        if !self.translates_back(flow) {
            return Err(End::Drop(DropReason::TranslatedFragment));
        }
        let cut = self.cut(piece);
        self.send_back((frame, &piece.ip, cut.as_ref()), flow)
    }

    /// A later piece of a client's datagram to `index`.
    pub(super) fn later_there(
        &mut self,
        (frame, link): (&[u8], &Link),
        piece: &Piece,
        flow: &Flow,
        index: u32,
    ) -> Result<Outcome, End> {
        let cut = self.cut(piece);
        self.send_there((frame, link, &piece.ip, cut.as_ref()), flow, index)
    }
}
