//! A fragment that came before its datagram's first one.
//!
//! An XDP program can keep no packet. So the frame is copied into a ring buffer, and the agent hands it in again: see
//! `nlb-userspace/src/fragments`. Where no agent reads, the ring is soon full, and early fragments are dropped.

use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::programs::XdpContext;
use nlb_common::datagram::{DatagramKey, Early};
use nlb_ebpf::opaque::opaque;

use super::super::super::maps::EARLY_FRAGMENTS;

/// Has the frame wait. `None` if there is no room for it, or it is too long.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a frame's length, bounded before")]
pub(super) fn wait(ctx: &XdpContext, key: &DatagramKey) -> Option<()> {
    let length = ctx.data_end() - ctx.data();
    if !(Early::SHORTEST..=Early::LONGEST).contains(&length) {
        return None;
    }
    // Bounds that the verifier can see; nothing else changes.
    let length = (opaque(length - 1) & (Early::LONGEST - 1)) + 1;
    let mut record = EARLY_FRAGMENTS.reserve::<Early>(0)?;
    let early = record.as_mut_ptr();
    // SAFETY: the record is as long as an `Early` and ours until it is submitted; the helper writes `length` bytes, which the frame
    // field has room for.
    let copied = unsafe {
        (&raw mut (*early).key).write(*key);
        (&raw mut (*early).interface).write(ctx.ingress_ifindex() as u32);
        (&raw mut (*early).length).write(length as u32);
        bpf_xdp_load_bytes(ctx.ctx, 0, (&raw mut (*early).frame).cast(), length as u32)
    };
    if copied != 0 {
        record.discard(0);
        return None;
    }
    record.submit(0);
    Some(())
}
