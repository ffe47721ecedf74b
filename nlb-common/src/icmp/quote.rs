//! The packet that an error message quotes.
//!
//! An error about a flow of a VIP quotes what the VIP's target has sent, from the VIP to the client. So the flow, as the edge
//! knows it from the client's packets, is the quoted one the other way round.

use super::Control;
use crate::address::Address;
use crate::hash::Flow;
use crate::packet::Door;
use crate::packet::network::{Network, V4, V6};
use crate::wire::{FragmentHeader, Icmp, Ipv4, Ipv6, Ports, protocol};

/// A quoted IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    source: Address,
    destination: Address,
    protocol: u8,
    /// Where the transport header begins.
    payload: usize,
}

/// A family whose packets can be quoted.
pub trait Quoted {
    /// Reads the header at `offset`, of which up to `room` bytes and what follows are there: routers cut a packet off, and leave
    /// the length in its header as it was. `None` if it can't be, or is a fragment that doesn't begin its datagram.
    fn read_quoted<D: Door + ?Sized>(door: &D, offset: usize, room: usize) -> Option<Header>;
}

impl Quoted for V4 {
    #[inline(always)]
    fn read_quoted<D: Door + ?Sized>(door: &D, offset: usize, _: usize) -> Option<Header> {
        let header = door.header::<Ipv4>(offset)?;
        let length = header.header_length()?;
        if header.is_later_fragment() {
            return None;
        }
        Some(Header {
            source: Address::v4(header.source),
            destination: Address::v4(header.destination),
            protocol: header.protocol,
            payload: door.settled(offset + length),
        })
    }
}

impl Quoted for V6 {
    #[inline(always)]
    fn read_quoted<D: Door + ?Sized>(door: &D, offset: usize, room: usize) -> Option<Header> {
        let header = door.header::<Ipv6>(offset)?;
        if header.version() != 6 {
            return None;
        }
        let behind = room.checked_sub(Ipv6::LENGTH)?;
        let (source, destination) = (header.source, header.destination);
        let (protocol, length) = door.chain(offset + Ipv6::LENGTH, behind, header.next_header).ok()?;
        let payload = door.settled(offset + Ipv6::LENGTH + length);
        if protocol != protocol::FRAGMENT {
            return Some(Header { source, destination, protocol, payload });
        }
        // Of what its sender has cut, the first piece has ports, unless more headers come first.
        let fragment = door.header::<FragmentHeader>(payload)?;
        let protocol = fragment.next_header;
        (fragment.offset() == 0).then_some(Header {
            source,
            destination,
            protocol,
            payload: payload + FragmentHeader::LENGTH,
        })
    }
}

/// The flow that an error message is about: `packet` carries a message of `F`'s control protocol. `None` if it is no error, or
/// quotes what no client's flow is answered by.
#[inline(always)]
pub fn flow<F: Control, D: Door + ?Sized>(door: &D, packet: &Network) -> Option<Flow> {
    find::<F, D>(door, packet).map(|(flow, _)| flow)
}

/// The same, and where the quoted packet's ports stand.
///
/// Both ports are enough: of what follows the IP header, eight bytes are all that must be quoted (RFC 792).
#[inline(always)]
pub fn find<F: Control, D: Door + ?Sized>(door: &D, packet: &Network) -> Option<(Flow, usize)> {
    let room = packet.payload_length.checked_sub(Icmp::LENGTH)?;
    if !F::is_error(door.header::<Icmp>(packet.payload)?.kind) {
        return None;
    }
    let quote = packet.payload + Icmp::LENGTH;
    let quoted = F::read_quoted(door, quote, room)?;
    let carries_ports = quoted.protocol == protocol::TCP || quoted.protocol == protocol::UDP;
    let is_whole = quoted.payload + size_of::<Ports>() <= quote + room;
    // The error goes to whoever sent the packet.
    if !carries_ports || !is_whole || quoted.source != packet.destination {
        return None;
    }
    let ports = door.header::<Ports>(quoted.payload)?;
    let flow = Flow {
        source: quoted.destination,
        destination: quoted.source,
        source_port: ports.destination,
        destination_port: ports.source,
        protocol: quoted.protocol,
        padding: [0; 3],
    };
    Some((flow, quoted.payload))
}
