//! Which flows are active?
//!
//! A packet sets its flow's bit in the sketch of its target, and in that of its listener where that has one of its own: where
//! no other listener shares its group, its flows are those of the group's targets, and this is spared.
//!
//! A packet that opens a connection isn't counted. A flood of SYNs is no activity, and a connection's next packet follows soon.

use core::hint::cold_path;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::maps::Array;
use aya_ebpf::programs::XdpContext;
use nlb_common::active::{Cell, Row, row};
use nlb_common::hash::{Affinity, Flow};
use nlb_common::packet::Packet;
use nlb_common::slot::TargetIndex;
use nlb_ebpf::door::PacketDoor;

use super::addressed::{Addressed, Offsets};
use super::constants::{hash_keys, listener_sketches, target_sketches};
use super::functions::Functions;
use super::listener::Claimed;
use super::maps::{LISTENER_FLOWS, TARGET_FLOWS};
use super::slot::Found;

/// Notes that the packet's flow, whose slot is `found`, is active: it goes to `target`. `opens`: it is a SYN without ACK.
#[inline(always)]
pub(super) fn note<F: Functions>(
    ctx: &XdpContext,
    packet: &Packet,
    found: &Found,
    listener: Claimed,
    target: TargetIndex,
    opens: bool,
) {
    if opens {
        return;
    }
    let hash = match listener.claim.affinity() {
        Affinity::Flow => found.hash,
        _ => {
            cold_path();
            F::whole_hash(ctx.ctx, Offsets::of(packet), packet.network.protocol)
        }
    };
    note_hash(hash, listener.sketch, target);
}

/// Notes that the flow with that hash is active, of the target and of the listener with that sketch.
#[inline(always)]
pub(super) fn note_hash(hash: u64, sketch: u32, target: TargetIndex) {
    let cell = Cell::of(hash);
    set(&TARGET_FLOWS, target_sketches(), target, cell);
    set(&LISTENER_FLOWS, listener_sketches(), sketch, cell);
}

/// Sets a bit in one of so many sketches, if there is such a one and the bit isn't set.
#[inline(always)]
fn set(table: &Array<Row>, sketches: u32, index: u32, cell: Cell) {
    if index >= sketches {
        return;
    }
    let Some(row) = table.get_ptr_mut(row(sketches, index, cell.block)) else { return };
    // SAFETY: a cell's word lies within a row. An array's entry stays mapped; other CPUs and the agent write it, and
    // volatile accesses take the word once and whole.
    unsafe {
        let word = row.cast::<u64>().add(cell.word);
        let seen = word.read_volatile();
        if seen & cell.bit == 0 {
            cold_path();
            word.write_volatile(seen | cell.bit);
        }
    }
}

/// The hash of the whole flow, which a group with affinity has not made.
#[inline(always)]
pub(super) fn whole_hash<F: Addressed>(ctx: *mut xdp_md, at: Offsets, protocol: u8) -> u64 {
    let ctx = XdpContext::new(ctx);
    let mut flow = Flow { protocol, ..Flow::default() };
    // It can't fail: all of it was read before.
    match F::read_flow(&PacketDoor::new(&ctx), at.bounded(), &mut flow) {
        Some(()) => hash_keys().hash(&flow, Affinity::Flow),
        None => 0,
    }
}
