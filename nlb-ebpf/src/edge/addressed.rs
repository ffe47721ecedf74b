//! Reading a packet a second time, in functions off the fast path.
//!
//! What the stages have parsed lives in the fast path's registers. A function that wanted it by reference would force all of
//! it onto the stack, for every packet; so such a function gets two offsets, and looks again.
//!
//! Such functions are global ones to the verifier: it checks each once, for any arguments, and not again for every path that
//! leads there. So they bound their arguments themselves.

use nlb_common::address::Address;
use nlb_common::hash::Flow;
use nlb_common::packet::network::{Family, V4, V6};
use nlb_common::packet::{Door, Packet};
use nlb_common::wire::{Ipv4, Ipv6, Ports};
use nlb_ebpf::opaque::opaque;

/// Where a packet's headers begin.
#[derive(Clone, Copy)]
pub(super) struct Offsets {
    /// The IP header.
    pub(super) link: usize,
    /// The TCP, UDP or SCTP header.
    pub(super) payload: usize,
}

impl Offsets {
    /// Within what the verifier takes for an offset into a packet, and beyond what any packet's headers have.
    const MOST: usize = 0x7fff;

    /// Where they begin in `packet`.
    #[inline(always)]
    pub(super) const fn of(packet: &Packet) -> Self {
        Self { link: packet.link.length, payload: packet.network.payload }
    }

    /// Bounds that the verifier can see; nothing else changes.
    #[inline(always)]
    pub(super) fn bounded(self) -> Self {
        Self { link: opaque(self.link) & Self::MOST, payload: opaque(self.payload) & Self::MOST }
    }
}

/// A family whose header can be read again.
pub(super) trait Addressed: Family {
    /// Reads the addresses of the IP header at `link`, which has been parsed before.
    fn read_addresses<D: Door>(door: &D, link: usize, source: &mut Address, destination: &mut Address) -> Option<()>;

    /// Reads addresses and ports into `flow`.
    #[inline(always)]
    fn read_flow<D: Door>(door: &D, at: Offsets, flow: &mut Flow) -> Option<()> {
        let ports = door.header::<Ports>(at.payload)?;
        flow.source_port = ports.source;
        flow.destination_port = ports.destination;
        Self::read_addresses(door, at.link, &mut flow.source, &mut flow.destination)
    }
}

impl Addressed for V4 {
    #[inline(always)]
    fn read_addresses<D: Door>(door: &D, link: usize, source: &mut Address, destination: &mut Address) -> Option<()> {
        let header = door.header::<Ipv4>(link)?;
        *source = Address::v4(header.source);
        *destination = Address::v4(header.destination);
        Some(())
    }
}

impl Addressed for V6 {
    #[inline(always)]
    fn read_addresses<D: Door>(door: &D, link: usize, source: &mut Address, destination: &mut Address) -> Option<()> {
        let header = door.header::<Ipv6>(link)?;
        *source = header.source;
        *destination = header.destination;
        Some(())
    }
}
