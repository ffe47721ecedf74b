//! A tunnel of constants: 64 bytes from 10.0.255.1 to 10.0.0.77, or from fd00::ffff:1 to fd00::4d, whatever the packet is.

use aya_ebpf::{Global, bindings::xdp_action, helpers::bpf_redirect, programs::XdpContext};
use nlb_common::packet::Door as _;
use nlb_common::wire::{Ethernet, Ipv4, Ipv6};
use nlb_ebpf::door::{PacketDoor, Refused, Room};

/// The interface that packets leave by; 0: the one that they came in by.
#[unsafe(no_mangle)]
static WAY_OUT: Global<u32> = Global::new(0);

/// Whether an IPv4 packet's addresses are read, as whoever chooses a target must: where another core or a network card wrote
/// them, they are not in this core's cache.
#[unsafe(no_mangle)]
static IS_READ: Global<u8> = Global::new(0);

/// Offset of an IPv4 packet's addresses.
const V4_ADDRESSES: usize = 26;

const V4: usize = size_of::<Ethernet>() + Ipv4::LENGTH;
const V6: usize = size_of::<Ethernet>() + Ipv6::LENGTH;

/// Puts the packet into an IPv4 tunnel.
#[inline(always)]
pub(super) fn wrap_v4(ctx: &XdpContext) -> u32 {
    // No packet comes from 0.0.0.0 to 0.0.0.0.
    let has_addresses = || {
        let door = PacketDoor::new(ctx);
        door.header::<[u8; 8]>(V4_ADDRESSES).is_some_and(|addresses| u64::from_ne_bytes(*addresses) != 0)
    };
    if IS_READ.load() != 0 && !has_addresses() {
        return xdp_action::XDP_DROP;
    }
    wrap::<V4>(ctx, Ipv4::LENGTH, |headers| {
        headers.put::<0, u64>(0x02aa_0000_0011_02bb_u64.to_be());
        headers.put::<8, u64>(0x0000_0022_0800_4500_u64.to_be());
        headers.put::<16, u64>(0x0054_0000_4000_4004_u64.to_be());
        headers.put::<24, u64>(0x2758_0a00_ff01_0a00_u64.to_be());
        headers.put::<32, u16>(0x004d_u16.to_be());
    })
}

/// Puts the packet into an IPv6 tunnel.
#[inline(always)]
pub(super) fn wrap_v6(ctx: &XdpContext) -> u32 {
    wrap::<V6>(ctx, Ipv6::LENGTH, |headers| {
        headers.put::<0, u64>(0x02aa_0000_0011_02bb_u64.to_be());
        headers.put::<8, u64>(0x0000_0022_86dd_6001_u64.to_be());
        headers.put::<16, u64>(0x2345_0040_2940_fd00_u64.to_be());
        headers.put::<24, u64>(0);
        headers.put::<32, u64>(0x0000_ffff_0001_fd00_u64.to_be());
        headers.put::<40, u64>(0);
        headers.put::<48, u32>(0);
        headers.put::<52, u16>(0x004d_u16.to_be());
    })
}

#[inline(always)]
fn wrap<const N: usize>(ctx: &XdpContext, room: usize, write: impl FnOnce(&mut Room<'_, N>)) -> u32 {
    let grown: Result<PacketDoor<'_>, Refused> = PacketDoor::new(ctx).grow(room);
    let Ok(mut door) = grown else { return xdp_action::XDP_DROP };
    let Some(mut headers) = door.room(0) else { return xdp_action::XDP_DROP };
    write(&mut headers);
    forward()
}

/// Sends the packet on.
#[inline(always)]
pub(super) fn forward() -> u32 {
    match WAY_OUT.load() {
        0 => xdp_action::XDP_TX,
        // SAFETY: the helper only notes the interface; without flags it always answers XDP_REDIRECT.
        #[expect(clippy::cast_possible_truncation, reason = "an XDP action")]
        interface => unsafe { bpf_redirect(interface, 0) as u32 },
    }
}
