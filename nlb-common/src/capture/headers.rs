//! What of a packet's headers a pattern is compared with.

use crate::address::Address;
use crate::hash::Flow;
use crate::packet::network::{Family, Network, V4, V6};
use crate::packet::{Door, Stop, link, transport};
use crate::wire::{EtherType, Ipv4, Ipv6};

/// What a packet's headers say, as far as they can be read: what is not known is zero.
///
/// More packets have addresses than are balanced: fragments, and those whose lengths can't be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// 4 or 6; 0 if it is no IP packet.
    pub version: u32,
    /// Addresses, protocol and ports.
    pub flow: Flow,
}

/// A family whose addresses can be read of a packet that can't be balanced.
trait Readable: Family {
    const VERSION: u32;

    /// Source, destination, and the protocol that the header itself names.
    fn fixed<D: Door + ?Sized>(door: &D, offset: usize) -> Option<(Address, Address, u8)>;
}

impl Readable for V4 {
    const VERSION: u32 = 4;

    #[inline(always)]
    fn fixed<D: Door + ?Sized>(door: &D, offset: usize) -> Option<(Address, Address, u8)> {
        let header = door.header::<Ipv4>(offset)?;
        Some((Address::v4(header.source), Address::v4(header.destination), header.protocol))
    }
}

impl Readable for V6 {
    const VERSION: u32 = 6;

    #[inline(always)]
    fn fixed<D: Door + ?Sized>(door: &D, offset: usize) -> Option<(Address, Address, u8)> {
        let header = door.header::<Ipv6>(offset)?;
        Some((header.source, header.destination, header.next_header))
    }
}

impl Headers {
    /// Reads a frame.
    #[inline(always)]
    pub fn read<D: Door + ?Sized>(door: &D) -> Self {
        let Ok(link) = link::read(door) else { return Self::default() };
        match link.ether_type {
            EtherType::IPV4 => Self::of_family::<V4, D>(door, link.length),
            EtherType::IPV6 => Self::of_family::<V6, D>(door, link.length),
            _ => Self::default(),
        }
    }

    #[inline(always)]
    fn of_family<F: Readable, D: Door + ?Sized>(door: &D, offset: usize) -> Self {
        let Some((source, destination, protocol)) = F::fixed(door, offset) else { return Self::default() };
        let mut headers = Self { version: F::VERSION, flow: Flow { source, destination, protocol, ..Flow::default() } };
        let network: Result<Network, Stop> = F::read(door, offset);
        if let Ok(network) = network {
            headers.flow.protocol = network.protocol;
            let network = Network { payload: door.settled(network.payload), ..network };
            if let Ok(transport) = transport::read(door, &network) {
                headers.flow.source_port = transport.source_port;
                headers.flow.destination_port = transport.destination_port;
            }
        }
        headers
    }
}
