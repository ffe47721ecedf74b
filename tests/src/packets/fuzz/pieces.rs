//! Fragments read once more, straight from the RFCs, and what is remembered of datagrams.

use std::collections::HashMap;
use std::net::IpAddr;

use nlb_common::drop_reason::DropReason;

use super::End;
use super::read::{self, Ip};

/// What became of a datagram's first fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went to that target, with that hash.
    Sent(u32, u64),
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
}

/// Reads the fragment whose IP header is `ip`.
pub fn read(frame: &[u8], ip: &Ip) -> Result<Piece, End> {
    let header = ip.payload.start - ip.packet.start;
    let (piece, length, before) = if ip.source.is_ipv4() {
        let word = u16::from_be_bytes([frame[ip.packet.start + 6], frame[ip.packet.start + 7]]);
        let identification = u16::from_be_bytes([frame[ip.packet.start + 4], frame[ip.packet.start + 5]]).into();
        let name = (ip.source, ip.destination, identification, Some(ip.protocol));
        let (offset, more) = (usize::from(word & 0x1fff) * 8, word & 0x2000 != 0);
        (Piece { ip: ip.clone(), name, offset, more }, ip.payload.len(), header)
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
        (Piece { ip: Ip { protocol, payload, ..ip.clone() }, name, offset, more }, length, header - 40)
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
