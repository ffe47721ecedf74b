//! A piece of a datagram (RFC 791, section 3.2; RFC 8200, section 4.5).
//!
//! Only the first piece has ports. What can't be a piece of any datagram, or would change a header that the first piece has
//! shown, is told by [`Fragment::check`]. Pieces that overlap otherwise are the receiver's matter (RFC 5722): all of them
//! reach the same one.

use super::network::{self, Family, Network, V4, V6, is_extension};
use super::{Door, Stop};
use crate::datagram::DatagramKey;
use crate::drop_reason::DropReason;
use crate::wire::{FragmentHeader, Ipv4, Ipv6, Tcp, protocol};

/// The longest that a datagram can be: of IPv4 with its header, of IPv6 without.
const LONGEST: usize = u16::MAX as usize;

/// A piece of a datagram, or one that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The packet that carries it. For the first piece, `payload` is where the transport header begins; for others, where the
    /// piece does, and `protocol` is what the datagram's first header may be.
    pub network: Network,
    /// What the pieces of a datagram have in common: network byte order, 16 bits for IPv4.
    pub identification: u32,
    /// Where the piece begins, in bytes.
    pub offset: usize,
    /// Whether others follow.
    pub more: bool,
    /// Whether its header calls it a fragment: one that is all of the datagram as well.
    pub is_fragment: bool,
    /// Length of the piece.
    pub length: usize,
    /// Length of what the datagram has before its first piece and must be counted to its length: IPv4's header, IPv6's extension
    /// headers before the fragment header.
    pub before: usize,
}

impl Fragment {
    /// Whether it is the first piece, or all of the datagram.
    #[inline(always)]
    pub const fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Whether it is all of the datagram: an "atomic fragment" of IPv6 (RFC 6946) is.
    #[inline(always)]
    pub const fn is_whole(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// What all pieces of its datagram have in common. The reassembly of IPv6 doesn't ask for the protocol, which may be another
    /// one in each piece's header.
    #[inline(always)]
    pub const fn key(&self) -> DatagramKey {
        let Network { source, destination, protocol, .. } = self.network;
        let protocol = if destination.is_v4() { protocol as u32 } else { 0 };
        DatagramKey { source, destination, identification: self.identification, protocol }
    }

    /// Whether the datagram may be of a protocol that listeners have. A later piece of IPv6 may say that an extension header
    /// comes first: then only the first piece knows.
    #[inline(always)]
    pub const fn may_be_balanced(&self) -> bool {
        matches!(self.network.protocol, protocol::TCP | protocol::UDP | protocol::SCTP)
            || !self.network.destination.is_v4() && is_extension(self.network.protocol)
    }

    /// Whether it can be a piece of a datagram.
    ///
    /// # Errors
    /// It is empty; it is not the last one and no multiple of 8 bytes long; it ends beyond the longest datagram; or it begins within
    /// the TCP header, part of which it would change (RFC 3128).
    #[inline(always)]
    pub const fn check(&self) -> Result<(), DropReason> {
        let is_torn = self.more && self.length & 7 != 0;
        let is_too_long = self.before + self.offset + self.length > LONGEST;
        let is_across = self.network.protocol == protocol::TCP && !self.is_first() && self.offset < Tcp::LENGTH;
        if self.length == 0 || is_torn || is_too_long || is_across { Err(DropReason::BadFragment) } else { Ok(()) }
    }
}

/// A family whose fragments can be read.
pub trait Fragmented: Family {
    /// Reads the IP header at `offset` as [`Family::read`] does, and that of a fragment too: then the payload is the piece, or for IPv6
    /// begins with the fragment header.
    ///
    /// # Errors
    /// As for [`Family::read`].
    fn read_part<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop>;

    /// Reads the rest of the packet whose IP header stands at `offset` and has been read, fragment or not.
    ///
    /// # Errors
    /// As for [`Family::read`].
    fn read_fragment<D: Door + ?Sized>(door: &D, offset: usize, part: Network) -> Result<Fragment, Stop>;
}

impl Fragmented for V4 {
    #[inline(always)]
    fn read_part<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        network::read_v4(door, offset).map(|(_, network)| network)
    }

    #[inline(always)]
    fn read_fragment<D: Door + ?Sized>(door: &D, offset: usize, part: Network) -> Result<Fragment, Stop> {
        let header = door.header::<Ipv4>(offset).ok_or(network::TRUNCATED)?;
        Ok(Fragment {
            network: part,
            identification: header.identification.into(),
            offset: header.fragment_offset(),
            more: header.more_fragments(),
            is_fragment: header.is_fragment(),
            length: part.payload_length,
            before: part.length - part.payload_length,
        })
    }
}

impl Fragmented for V6 {
    #[inline(always)]
    fn read_part<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        network::read_v6(door, offset)
    }

    #[inline(always)]
    fn read_fragment<D: Door + ?Sized>(door: &D, _: usize, part: Network) -> Result<Fragment, Stop> {
        let before = part.length - Ipv6::LENGTH - part.payload_length;
        if part.protocol != protocol::FRAGMENT {
            let length = part.payload_length;
            let (more, is_fragment) = (false, false);
            return Ok(Fragment { network: part, identification: 0, offset: 0, more, is_fragment, length, before });
        }
        let header = door.header::<FragmentHeader>(part.payload).ok_or(network::TRUNCATED)?;
        let length = part.payload_length.checked_sub(FragmentHeader::LENGTH).ok_or(network::TRUNCATED)?;
        let (identification, offset, more) = (header.identification, header.offset(), header.more());
        let payload = part.payload + FragmentHeader::LENGTH;
        let (protocol, extensions) = if offset == 0 {
            // All of the chain is in the first piece (RFC 7112).
            door.chain(payload, length, header.next_header)?
        } else {
            (header.next_header, 0)
        };
        let network = Network { protocol, payload: payload + extensions, payload_length: length - extensions, ..part };
        Ok(Fragment { network, identification, offset, more, is_fragment: true, length, before })
    }
}

#[cfg(test)]
mod tests;
