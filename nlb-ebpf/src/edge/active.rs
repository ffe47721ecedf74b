//! Which flows are active?
//!
//! A packet sets its flow's bit in the sketch of its target, and in that of its listener where that has one of its own: where
//! no other listener shares its group, its flows are those of the group's targets, and this is spared.
//!
//! A packet that opens a connection isn't counted. A flood of SYNs is no activity, and a connection's next packet follows soon.

use core::hint::cold_path;

use aya_ebpf::maps::Array;
use nlb_common::active::{Cell, Sketch};
use nlb_common::hash::{Affinity, Flow};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Listener;

use super::constants::hash_keys;
use super::maps::{LISTENER_FLOWS, TARGET_FLOWS};
use super::slot::Found;

/// Notes that `flow`, which `found` its slot, is active: a packet of it goes to `target`. `opens`: it is a SYN without ACK.
#[inline(always)]
pub(super) fn note(flow: &Flow, found: &Found, listener: &Listener, target: TargetIndex, opens: bool) {
    if opens {
        return;
    }
    let hash = match found.group.affinity() {
        Affinity::Flow => found.hash,
        Affinity::SourceIp => {
            cold_path();
            hash_keys().hash(flow, Affinity::Flow)
        }
    };
    let cell = Cell::of(hash);
    set(&TARGET_FLOWS, target, cell);
    set(&LISTENER_FLOWS, listener.sketch, cell);
}

/// Sets a bit, if there is such a sketch and the bit isn't set.
#[inline(always)]
fn set(sketches: &Array<Sketch>, index: u32, cell: Cell) {
    let Some(sketch) = sketches.get_ptr_mut(index) else { return };
    // SAFETY: a cell's bucket lies within a sketch. An array's entry stays mapped; other CPUs and the agent write it, and
    // volatile accesses take the word once and whole.
    unsafe {
        let bucket = sketch.cast::<u16>().add(cell.bucket);
        let seen = bucket.read_volatile();
        if seen & cell.bit == 0 {
            cold_path();
            bucket.write_volatile(seen | cell.bit);
        }
    }
}
