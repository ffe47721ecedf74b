//! The program that captures packets as they come and as they leave, and what became of them.
//!
//! It takes the place of the edge's program on its interfaces while somebody captures, and calls that one:
//!
//! ```text
//! nlb_capture: covered by the order? ─ no ─▶ nlb_edge, by a tail call: it doesn't return
//!                 └─ yes ─▶ before ─▶ balance ─▶ nlb_edge, by a tail call from a function ─┐ verdict
//!                                                after ◀───────────────────────────────────┘──▶ ring buffer
//! ```
//!
//! A program that a function calls in this way returns to whoever called the function. So the edge's program and its ways know
//! nothing of captures, and are as fast as without. Why a packet was dropped, what counts drops says: the counter of this CPU that
//! isn't what it was before.
//!
//! Where such a call is made, kernel 6.1 leaves the callers half of the stack; so all work is in global functions.

use aya_ebpf::bindings::{xdp_action, xdp_md};
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_xdp_load_bytes};
use aya_ebpf::macros::xdp;
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;
use nlb_common::capture::{Headers, MOST, NONE, Order, Record};
use nlb_common::drop_reason::DropReason;
use nlb_common::way::{Way, WayOutcome};
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

use super::maps::{CAPTURE_LOST, CAPTURE_ORDER, CAPTURE_WORK, CAPTURED, DROPS, WAY_OUTCOMES, WAYS};

const REASONS: usize = DropReason::COUNT as usize;
const OUTCOMES: usize = WayOutcome::COUNT as usize;

/// A packet that is being captured. What goes to the ring buffer stands first.
#[repr(C)]
pub(super) struct Work {
    record: Record,
    frames: [u8; 2 * MOST],
    reasons: [u64; REASONS],
    outcomes: [u64; OUTCOMES],
}

#[xdp]
#[inline(always)]
fn nlb_capture(ctx: XdpContext) -> u32 {
    if !is_wanted(&ctx) {
        return call_balancer(&ctx);
    }
    nlb_capture_before(ctx.ctx);
    let action = nlb_capture_balance(ctx.ctx);
    nlb_capture_after(ctx.ctx, action);
    action
}

#[inline(always)]
fn is_wanted(ctx: &XdpContext) -> bool {
    let Some(order) = CAPTURE_ORDER.get(0) else { return false };
    order.until > now() && nlb_capture_covers(ctx.ctx) != 0 && (order.chance == u32::MAX || random() <= order.chance)
}

/// The kernel's monotonic clock, in nanoseconds.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper gives a number and touches nothing.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
fn random() -> u32 {
    // SAFETY: as in `now`.
    unsafe { bpf_get_prandom_u32() }
}

/// Goes on as the program that balances. It returns only if there is none.
#[inline(always)]
fn call_balancer(ctx: &XdpContext) -> u32 {
    // SAFETY: nothing of this program needs to be dropped, and the program that goes on is one of the same kind.
    unsafe { WAYS.tail_call(ctx, Way::BALANCER) };
    xdp_action::XDP_PASS
}

/// What the program that balances makes of the packet: the action.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_capture_balance(ctx: *mut xdp_md) -> u32 {
    // What is here returned is what the other program returns. The compiler knows of no other program: it would take the
    // answer for the one that stands here.
    number(opaque(call_balancer(&XdpContext::new(ctx)) as usize))
}

/// Whether the order's pattern covers the packet.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_capture_covers(ctx: *mut xdp_md) -> u32 {
    let ctx = XdpContext::new(ctx);
    let Some(order) = CAPTURE_ORDER.get(0) else { return 0 };
    u32::from(order.pattern.covers(&Headers::read(&PacketDoor::new(&ctx))))
}

/// Keeps what is to be known of the packet as it came.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_capture_before(ctx: *mut xdp_md) -> u32 {
    let ctx = XdpContext::new(ctx);
    let (Some(work), Some(order)) = (work(), CAPTURE_ORDER.get(0)) else { return 0 };
    remember(&DROPS, &mut work.reasons);
    remember(&WAY_OUTCOMES, &mut work.outcomes);
    let record = &mut work.record;
    record.received = now();
    record.interface = number(ctx.ingress_ifindex());
    record.length_before = length(&ctx);
    record.kept_before = keep(&ctx, order, work.frames.as_mut_ptr());
    0
}

/// Adds what became of it, and hands all over.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_capture_after(ctx: *mut xdp_md, action: u32) -> u32 {
    let ctx = XdpContext::new(ctx);
    let (Some(work), Some(order)) = (work(), CAPTURE_ORDER.get(0)) else { return 0 };
    if order.pattern.dropped != 0 && action != xdp_action::XDP_DROP {
        return 0;
    }
    let record = &mut work.record;
    record.decided = now();
    record.action = action;
    record.reason = changed(&DROPS, &work.reasons);
    record.outcome = changed(&WAY_OUTCOMES, &work.outcomes);
    let kept_before = opaque(record.kept_before as usize);
    if kept_before > MOST {
        return 0;
    }
    record.length_after = 0;
    record.kept_after = 0;
    if action == xdp_action::XDP_TX || action == xdp_action::XDP_REDIRECT {
        record.length_after = length(&ctx);
        // SAFETY: there is room for `MOST` bytes behind the `MOST` that the frame as it came may take.
        record.kept_after = keep(&ctx, order, unsafe { work.frames.as_mut_ptr().add(kept_before) });
    }
    let size = opaque(size_of::<Record>() + kept_before + work.record.kept_after as usize);
    if size > size_of::<Record>() + 2 * MOST {
        return 0;
    }
    // SAFETY: record and frames stand one behind the other, and are as long together.
    let bytes = unsafe { core::slice::from_raw_parts((work as *const Work).cast::<u8>(), size) };
    if CAPTURED.output::<[u8]>(bytes, 0).is_err() {
        count::one(&CAPTURE_LOST, 0);
    }
    0
}

/// This CPU's working memory.
#[inline(always)]
fn work() -> Option<&'static mut Work> {
    // SAFETY: the pointer is the kernel's, to this CPU's own entry, which nothing but this program's functions uses, one at a
    // time and never twice at once; it stays mapped while the program runs.
    CAPTURE_WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

#[inline(always)]
fn length(ctx: &XdpContext) -> u32 {
    number(ctx.data_end() - ctx.data())
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "lengths and indexes of interfaces have 32 bits in the kernel")]
const fn number(value: usize) -> u32 {
    value as u32
}

/// Copies the packet's beginning, as much as the order says, to where there is room for [`MOST`] bytes. Gives how many were copied.
#[inline(always)]
fn keep(ctx: &XdpContext, order: &Order, room: *mut u8) -> u32 {
    // Bounded where the verifier sees it: in the very register that the helper gets. Of a number that isn't 0 kernel 6.1 doesn't
    // know that it is at least 1, as the helper wants it; of one more than another it does.
    let less_one = opaque((ctx.data_end() - ctx.data()).min(order.keep as usize).wrapping_sub(1));
    if less_one >= MOST {
        return 0;
    }
    let bytes = less_one + 1;
    // SAFETY: the helper writes no more than `bytes`, for which there is room.
    match unsafe { bpf_xdp_load_bytes(ctx.ctx, 0, room.cast(), number(bytes)) } {
        0 => number(bytes),
        _ => 0,
    }
}

/// Notes what this CPU has counted.
#[inline(always)]
fn remember<const N: usize>(table: &PerCpuArray<u64>, counts: &mut [u64; N]) {
    for index in 0..N {
        // The compiler must not make a loop of pointers of it: the verifier doesn't know when such a loop ends.
        let index = opaque(index);
        if let (Some(count), Some(&now)) = (counts.get_mut(index), table.get(number(index))) {
            *count = now;
        }
    }
}

/// The number of what this CPU has counted since, or [`NONE`].
#[inline(always)]
fn changed<const N: usize>(table: &PerCpuArray<u64>, counts: &[u64; N]) -> u32 {
    let mut found = NONE;
    for index in 0..N {
        let index = opaque(index);
        if let (Some(count), Some(now)) = (counts.get(index), table.get(number(index)))
            && count != now
        {
            found = number(index);
        }
    }
    found
}
