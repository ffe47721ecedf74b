//! A tunnel of constants, from 10.0.255.1 to 10.0.0.77, whatever the packet is: what no balancer can do for less.

use aya_ebpf::{bindings::xdp_action, helpers::bpf_redirect, programs::XdpContext};
use nlb_common::wire::{EtherType, Ethernet, Framed, Ipv4, Macs};
use nlb_ebpf::door::PacketDoor;

use super::settings::INTERFACE;

/// Puts the packet into the tunnel and sends it on.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an XDP action")]
pub(super) fn forward(ctx: &XdpContext) -> u32 {
    let header = Ipv4 {
        version_and_words: Ipv4::PLAIN,
        traffic_class: 0,
        total_length: 66_u16.to_be(),
        identification: 0,
        fragment: Ipv4::DONT_FRAGMENT,
        ttl: 64,
        protocol: 4,
        checksum: 0x276a_u16.to_be(),
        source: 0x0a00_ff01_u32.to_be(),
        destination: 0x0a00_004d_u32.to_be(),
    };
    let framed: Framed<Ipv4, 0> = Framed {
        macs: Macs::new([2, 0xaa, 0, 0, 0, 0x11], [2, 0xbb, 0, 0, 0, 0x22]),
        tags: [],
        ether_type: EtherType::IPV4,
        header,
    };
    const _: () = assert!(size_of::<Framed<Ipv4, 0>>() == size_of::<Ethernet>() + Ipv4::LENGTH);
    let Ok(mut door) = PacketDoor::new(ctx).grow(Ipv4::LENGTH) else { return xdp_action::XDP_DROP };
    if door.write(0, framed).is_none() {
        return xdp_action::XDP_DROP;
    }
    match INTERFACE.load() {
        0 => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the interface; without flags it always answers XDP_REDIRECT.
        other => unsafe { bpf_redirect(other, 0) as u32 },
    }
}
