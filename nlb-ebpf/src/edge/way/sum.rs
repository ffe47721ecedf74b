//! The sum of a packet's bytes, for checksums that can't be made of a change.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

/// As many bytes at most: a driver's packet fills no more than a page, and the verifier wants a bound.
pub(super) const MOST: usize = 4_096;

/// The sum of `length` bytes from `offset` on, [`MOST`] at most; of nothing if the packet ends before.
#[inline(always)]
pub(super) fn of(ctx: &XdpContext, offset: usize, length: usize) -> Checksum {
    Checksum::from_folded(nlb_sum(ctx.ctx, offset, length))
}

/// A global function, which the verifier checks once for all lengths.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_sum(ctx: *mut xdp_md, offset: usize, length: usize) -> u32 {
    let ctx = XdpContext::new(ctx);
    let offset = opaque(offset) & 0x7fff;
    Checksum::default().add_bytes::<_, MOST>(&PacketDoor::new(&ctx), offset, length).unwrap_or_default().folded()
}
