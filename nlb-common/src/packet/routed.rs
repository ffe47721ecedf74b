//! A packet that is routed through the edge, of whatever protocol: what decides which appliance it goes to.
//!
//! Everything that a router would forward is read, also what no listener can have: a packet that were let past the appliances for
//! its kind would be a way around them. What has no ports, or hides them, is one flow of its addresses and protocol:
//!
//! - protocols other than TCP and UDP;
//! - fragments, the first of a datagram too, so that all of one reach the same appliance;
//! - IPv6 packets with further nodes to visit, and those without payload.
//!
//! An ICMP error is about the flow that it quotes, and goes where that goes.

use super::network::{Family, Network, V4, V6};
use super::transport::{self, Segment};
use super::{Door, Stop};
use crate::address::Address;
use crate::drop_reason::DropReason;
use crate::hash::Flow;
use crate::icmp::{Control, quote};
use crate::wire::{Ipv4, Ipv6, Tcp, protocol};

/// A packet that is routed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The IP header. Where it couldn't be followed to its end, the payload is whatever stands behind it.
    pub network: Network,
    /// The flow in the packet's direction; ports are 0 where it has none.
    pub flow: Flow,
    /// TCP with SYN and without ACK.
    pub opens: bool,
    /// Flags of the TCP header, 0 for other protocols.
    pub tcp_flags: u8,
    /// An error message about the flow, and no packet of it.
    pub is_about: bool,
}

/// A family whose packets can be routed through.
pub trait Routable: Control {
    /// Reads the header at `offset` and nothing behind it: for packets of which [`Family::read`] says that they are none of ours.
    ///
    /// # Errors
    /// [`Stop::Drop`] for what can't be a packet.
    fn read_bare<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop>;
}

const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedNetwork);
const BAD: Stop = Stop::Drop(DropReason::BadNetwork);

impl Routable for V4 {
    #[inline(always)]
    fn read_bare<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        let header = door.header::<Ipv4>(offset).ok_or(TRUNCATED)?;
        let length = usize::from(header.total_length());
        let payload_length =
            length.checked_sub(Ipv4::LENGTH).filter(|_| offset + length <= door.length()).ok_or(BAD)?;
        Ok(Network {
            source: Address::v4(header.source),
            destination: Address::v4(header.destination),
            protocol: header.protocol,
            traffic_class: header.traffic_class,
            length,
            payload: offset + Ipv4::LENGTH,
            payload_length,
        })
    }
}

impl Routable for V6 {
    #[inline(always)]
    fn read_bare<D: Door + ?Sized>(door: &D, offset: usize) -> Result<Network, Stop> {
        let header = door.header::<Ipv6>(offset).ok_or(TRUNCATED)?;
        let payload_length = usize::from(header.payload_length());
        let length = Ipv6::LENGTH + payload_length;
        if header.version() != 6 || offset + length > door.length() {
            return Err(BAD);
        }
        Ok(Network {
            source: header.source,
            destination: header.destination,
            protocol: header.next_header,
            traffic_class: header.traffic_class(),
            length,
            payload: offset + Ipv6::LENGTH,
            payload_length,
        })
    }
}

impl Routed {
    /// The packet whose IP header stands at `offset`.
    ///
    /// # Errors
    /// [`Stop::Drop`] for what can't be a packet. Nothing passes.
    #[inline(always)]
    pub fn read<F: Routable, D: Door + ?Sized>(door: &D, offset: usize) -> Result<Self, Stop> {
        match <F as Family>::read(door, offset) {
            Ok(network) => {
                let (payload, payload_length) = (door.settled(network.payload), network.payload_length);
                Ok(Self::whole::<F, D>(door, Network { payload, payload_length, ..network }))
            }
            Err(Stop::Pass(_)) => F::read_bare(door, offset).map(Self::of_addresses),
            Err(stop) => Err(stop),
        }
    }

    #[inline(always)]
    fn whole<F: Routable, D: Door + ?Sized>(door: &D, network: Network) -> Self {
        let routed = Self::of_addresses(network);
        if network.protocol == F::CONTROL {
            return match quote::flow::<F, D>(door, &network) {
                Some(flow) => Self { flow, is_about: true, ..routed },
                None => routed,
            };
        }
        if network.protocol != protocol::TCP && network.protocol != protocol::UDP {
            return routed;
        }
        let Ok(transport) = transport::read(door, &network) else { return routed };
        let tcp_flags = match door.header::<Tcp>(network.payload) {
            Some(tcp) if network.protocol == protocol::TCP && network.payload_length >= Tcp::LENGTH => tcp.flags,
            _ => 0,
        };
        let flow = transport::flow(&network, &transport);
        Self { flow, opens: transport.segment == Segment::Opens, tcp_flags, ..routed }
    }

    #[inline(always)]
    fn of_addresses(network: Network) -> Self {
        let Network { source, destination, protocol, .. } = network;
        let flow = Flow { source, destination, protocol, ..Flow::default() };
        Self { network, flow, opens: false, tcp_flags: 0, is_about: false }
    }
}

#[cfg(test)]
mod tests;
