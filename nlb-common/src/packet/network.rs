//! IPv4 with options and IPv6 with extension headers, read into one form.
//!
//! The families differ in how a header is read and in nothing after it. They are types rather than values so that each
//! gets its own straight code in the kernel: an IPv4 address never travels through registers as four words there.

use core::hint::cold_path;

use super::{Door, NotOurs, Stop};
use crate::address::Address;
use crate::drop_reason::DropReason;
use crate::wire::{Extension, Ipv4, Ipv6, protocol};

/// IPv6 extension headers that are followed. RFC 8200, section 4.1, recommends at most five of the kinds that we follow
/// (hop-by-hop, destination, routing, authentication, destination); eight leave room for senders who repeat them.
pub const MAX_EXTENSIONS: usize = 8;

/// The longest chain of extension headers that is followed, in bytes. No frame that XDP gets has room for a longer one; the
/// kernel's verifier wants a bound.
pub const LONGEST_CHAIN: usize = 0x3fff;

/// What the IP header says. Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Protocol of the payload.
    pub protocol: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Length of the IP packet, header and payload, without what pads the frame.
    pub length: usize,
    /// Where the payload begins: behind options and extension headers.
    pub payload: usize,
    /// Length of the payload.
    pub payload_length: usize,
}

/// IPv4 or IPv6.
pub trait Family {
    /// What a tunnel header says it carries when it carries this family.
    const PROTOCOL: u8;

    /// Reads the header at `offset`.
    ///
    /// # Errors
    /// [`Stop::Drop`] for what can't be a packet, [`Stop::Pass`] for what is none of ours.
    fn read<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop>;
}

/// IPv4.
#[derive(Debug)]
pub enum V4 {}

/// IPv6.
#[derive(Debug)]
pub enum V6 {}

pub(super) const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedNetwork);
const BAD: Stop = Stop::Drop(DropReason::BadNetwork);

impl Family for V4 {
    const PROTOCOL: u8 = protocol::IPV4;

    #[inline(always)]
    fn read<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        let (header, network) = read_v4(door, offset)?;
        if header.is_fragment() {
            return Err(Stop::Pass(NotOurs::Fragment));
        }
        Ok(network)
    }
}

/// Reads an IPv4 header, also that of a fragment.
#[inline(always)]
pub(super) fn read_v4<D: Door + ?Sized>(door: &D, offset: usize) -> Result<(&Ipv4, Network), Stop> {
    let header = door.header::<Ipv4>(offset).ok_or(TRUNCATED)?;
    let header_length = header.header_length().ok_or(BAD)?;
    let length = usize::from(header.total_length());
    if length < header_length || offset + length > door.length() {
        return Err(if offset + header_length > door.length() { TRUNCATED } else { BAD });
    }
    let network = Network {
        source: Address::v4(header.source),
        destination: Address::v4(header.destination),
        protocol: header.protocol,
        traffic_class: header.traffic_class,
        length,
        payload: offset + header_length,
        payload_length: length - header_length,
    };
    Ok((header, network))
}

impl Family for V6 {
    const PROTOCOL: u8 = protocol::IPV6;

    #[inline(always)]
    fn read<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        let network = read_v6(door, offset)?;
        if network.protocol == protocol::FRAGMENT {
            return Err(Stop::Pass(NotOurs::Fragment));
        }
        Ok(network)
    }
}

/// Reads an IPv6 header and what follows it up to the transport header, or up to a fragment header.
#[inline(always)]
pub(super) fn read_v6<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
    let header = door.header::<Ipv6>(offset).ok_or(TRUNCATED)?;
    if header.version() != 6 {
        return Err(BAD);
    }
    let payload_length = usize::from(header.payload_length());
    if payload_length == 0 {
        return Err(Stop::Pass(NotOurs::NoPayload));
    }
    let length = Ipv6::LENGTH + payload_length;
    if offset + length > door.length() {
        return Err(BAD);
    }
    let destination = header.destination;
    if destination.is_v4() {
        return Err(Stop::Pass(NotOurs::Mapped));
    }
    let (protocol, extensions) = if is_extension(header.next_header) {
        cold_path();
        door.chain(offset + Ipv6::LENGTH, payload_length, header.next_header)?
    } else {
        (header.next_header, 0)
    };
    Ok(Network {
        source: header.source,
        destination,
        protocol,
        traffic_class: header.traffic_class(),
        length,
        payload: offset + Ipv6::LENGTH + extensions,
        payload_length: payload_length - extensions,
    })
}

/// Whether another header of the chain follows. What ESP holds (RFC 4303) can't be read: it ends the chain.
#[inline(always)]
pub(super) const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP | protocol::ROUTING | protocol::AUTHENTICATION | protocol::DESTINATION_OPTIONS
    )
}

/// Follows the chain of extension headers that begins at `offset` with one of kind `kind`: gives the protocol at its end, and its
/// length. Whoever has a door asks [`Door::chain`].
///
/// # Errors
/// [`Stop::Drop`] for a chain that ends beyond `payload_length` or has too many headers, [`Stop::Pass`] for a packet that has
/// further nodes to visit.
#[inline(always)]
pub fn follow_extensions<D: Door + ?Sized>(
    door: &D,
    offset: usize,
    payload_length: usize,
    mut kind: u8,
) -> Result<(u8, usize), Stop> {
    let mut followed = 0;
    for _ in 0..MAX_EXTENSIONS {
        if !is_extension(kind) {
            return Ok((kind, followed));
        }
        let extension = door.header::<Extension>(offset + followed).ok_or(TRUNCATED)?;
        followed = door.settled(followed + extension.length(kind));
        if followed > payload_length {
            return Err(TRUNCATED);
        }
        if followed > LONGEST_CHAIN {
            return Err(Stop::Drop(DropReason::ExtensionHeaders));
        }
        if kind == protocol::ROUTING && extension.segments_left != 0 {
            return Err(Stop::Pass(NotOurs::Underway));
        }
        kind = extension.next_header;
    }
    if is_extension(kind) { Err(Stop::Drop(DropReason::ExtensionHeaders)) } else { Ok((kind, followed)) }
}
