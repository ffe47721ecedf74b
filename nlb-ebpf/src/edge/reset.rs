//! The end of a connection, told to its client: the packet becomes a TCP reset (RFC 9293, section 3.10.7.1) and goes back.
//!
//! ```text
//! before: [edge's MAC ← client's][tags][IP, options][TCP: client → VIP, options][data][padding]
//! after:  [client's MAC ← edge's][tags][IP         ][TCP: VIP → client         ]
//! ```
//!
//! It looks as if the VIP had sent it: the client's acknowledgement number is the sequence number that it waits for, so it
//! takes the reset for genuine (RFC 5961, section 3.2).

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::answer::{Answering, Content};
use nlb_common::checksum::Checksum;
use nlb_common::packet::Door as _;
use nlb_common::wire::{Ethernet, Ports, Tcp, protocol};
use nlb_ebpf::door::PacketDoor;

use super::addressed::Offsets;

/// Length of the answer's TCP header.
#[expect(clippy::cast_possible_truncation, reason = "20 bytes")]
const TCP: u16 = Tcp::LENGTH as u16;

/// Turns the packet of `ctx` into a reset for whoever sent it. Whether it was done. `length`: that of TCP header and data.
#[inline(always)]
pub(super) fn answer<F: Answering>(ctx: *mut xdp_md, at: Offsets, length: usize) -> bool {
    let ctx = XdpContext::new(ctx);
    write::<F>(PacketDoor::new(&ctx), at.bounded(), length).is_some()
}

/// Inner headers first: each overwrites what stands behind it in the packet, which has been read by then.
#[inline(always)]
fn write<F: Answering>(mut door: PacketDoor<'_>, at: Offsets, length: usize) -> Option<()> {
    let reset = reset_to(door.header(at.payload)?, length, F::sum(door.header(at.link)?));
    door.write(at.link + size_of::<F::Ip>(), reset)?;
    let header = F::answer_to(door.header(at.link)?, Content { protocol: protocol::TCP, length: TCP });
    door.write(at.link, header)?;
    let &Ethernet { source, destination, .. } = door.header(0)?;
    door.write(0, [source, destination])?;
    let surplus = door.length().checked_sub(at.link + size_of::<F::Ip>() + Tcp::LENGTH)?;
    door.trim(surplus).ok().map(drop)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a segment's length is less than its packet's")]
fn reset_to(segment: &Tcp, length: usize, addresses: Checksum) -> Tcp {
    let one_if = |flag| u32::from(segment.flags & flag != 0);
    let (sequence, acknowledgement, flags) = if segment.flags & Tcp::ACK != 0 {
        (segment.acknowledgement, 0, Tcp::RST)
    } else {
        let data = length.wrapping_sub(segment.header_length()) as u32;
        let length = data.wrapping_add(one_if(Tcp::SYN)).wrapping_add(one_if(Tcp::FIN));
        (0, u32::from_be(segment.sequence).wrapping_add(length).to_be(), Tcp::RST | Tcp::ACK)
    };
    let ports = Ports { source: segment.ports.destination, destination: segment.ports.source };
    Tcp {
        ports,
        sequence,
        acknowledgement,
        words: Tcp::PLAIN,
        flags,
        window: 0,
        // With the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1): addresses, protocol, length.
        checksum: addresses
            .add_u16(TCP.to_be())
            .add_u16(u16::from(protocol::TCP).to_be())
            .add_u16(ports.source)
            .add_u16(ports.destination)
            .add_u32(sequence)
            .add_u32(acknowledgement)
            .add_u16(u16::from_ne_bytes([Tcp::PLAIN, flags]))
            .finish(),
        urgent: 0,
    }
}
