//! The way to a target on the edge's own segment: the client's packet as it is, in a frame to the target's MAC address.
//!
//! ```text
//! before: [client's router → edge][tags][IP packet][padding]
//! after:  [edge → target]       ([tags])[IP packet][padding]
//! ```
//!
//! Tags stay or go as they do around a tunnel: see [`encapsulation`](super::encapsulation). The hop limit stays, as it does
//! in a tunnel; a packet can't come around again, because the target has the VIP and hands the packet to nobody.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::link::Link;
use nlb_common::packet::{Door as _, Stop};
use nlb_common::slot::TargetIndex;
use nlb_common::wire::{EtherType, Framed, Macs, VlanTag};
use nlb_ebpf::door::PacketDoor;

use super::maps::TARGETS;
use super::transmit::{self, WayOut};

/// Addresses a frame with that link header to the target `index`.
#[inline(always)]
pub(super) fn readdress(ctx: &XdpContext, link: &Link, index: TargetIndex) -> Result<(), Stop> {
    // It can't fail: target and frame were looked at before.
    if nlb_readdress(ctx.ctx, link.tags(), index) == 0 { Err(Stop::Drop(DropReason::TruncatedLink)) } else { Ok(()) }
}

/// A global function, as those of [`functions`](super::functions). 1 if it was done.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_readdress(ctx: *mut xdp_md, tags: usize, index: TargetIndex) -> u32 {
    u32::from(write(&XdpContext::new(ctx), tags, index).is_some())
}

#[inline(always)]
fn write(ctx: &XdpContext, tags: usize, index: TargetIndex) -> Option<()> {
    let target = TARGETS.get(index)?;
    let macs = Macs::new(target.next_hop_mac, target.source_mac);
    let mut door = PacketDoor::new(ctx);
    // Two bits: no packet has three tags, but the verifier wants a bound.
    let tags = (tags & 3) * size_of::<VlanTag>();
    if tags == 0 || transmit::way_out(ctx, target) == WayOut::Same {
        return door.write(0, macs);
    }
    let ether_type = *door.header::<EtherType>(Framed::<[u8; 0], 0>::TAGS_AT + tags)?;
    let mut door = door.shrink(tags).ok()?;
    door.write(0, Framed { macs, tags: [], ether_type, header: [0_u8; 0] })
}
