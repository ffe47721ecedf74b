//! Reading what is routed through, and asking for its target: in functions of their own.
//!
//! They are global functions, as those of [`functions`](super::super::super::functions), and hand over what they find by the
//! working memory: the programs that call them need their stacks for other things.
#![expect(
    clippy::cast_possible_truncation,
    reason = "helpers' sizes, which are those of headers, and fields of a word"
)]

use core::mem::zeroed;

use aya_ebpf::bindings::{
    BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, BPF_FIB_LKUP_RET_UNSUPP_LWT,
    bpf_fib_lookup as FibLookup, xdp_md,
};
use aya_ebpf::helpers::bpf_fib_lookup;
use aya_ebpf::{EbpfContext as _, programs::XdpContext};
use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::{Affinity, Flow};
use nlb_common::packet::Stop;
use nlb_common::packet::network::{V4, V6};
use nlb_common::packet::routed::{Routable, Routed};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::wire::protocol;
use nlb_ebpf::door::PacketDoor;

use super::super::super::addressed::{Addressed, Offsets};
use super::super::super::flows::{self, Asked};
use super::super::super::functions::Functions;
use super::super::super::maps::GATEWAY_WORK;

/// A packet that is routed through: working memory, and what the functions here fill.
pub(in super::super::super) struct Passing {
    /// What it says.
    pub(in super::super) routed: Routed,
    /// Its flow, both directions of it.
    pub(in super::super) flow: Flow,
}

/// A family whose packets are routed through, and its functions.
pub(in super::super) trait PassingThrough: Routable + Functions {
    /// Reads the packet whose IP header stands at `offset`.
    fn read_passing(ctx: &XdpContext, offset: usize) -> Result<&'static mut Passing, Stop>;

    /// Whether this host would forward the packet whose IP header stands at `offset`: not for one to itself, nor to where no route
    /// leads, nor if it is no router.
    fn is_routed(ctx: &XdpContext, offset: usize) -> bool;
}

macro_rules! functions {
    ($family:ty, $read:ident, $is_routed:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $read(ctx: *mut xdp_md, offset: usize) -> u32 {
            read::<$family>(&XdpContext::new(ctx), offset)
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $is_routed(ctx: *mut xdp_md, offset: usize) -> u32 {
            u32::from(is_routed::<$family>(&XdpContext::new(ctx), offset))
        }

        impl PassingThrough for $family {
            #[inline(always)]
            fn read_passing(ctx: &XdpContext, offset: usize) -> Result<&'static mut Passing, Stop> {
                // It can't but be there.
                let passing = work().ok_or(Stop::Drop(DropReason::TruncatedNetwork))?;
                match $read(ctx.ctx, offset) {
                    READ => Ok(passing),
                    TRUNCATED => Err(Stop::Drop(DropReason::TruncatedNetwork)),
                    EXTENSIONS => Err(Stop::Drop(DropReason::ExtensionHeaders)),
                    _ => Err(Stop::Drop(DropReason::BadNetwork)),
                }
            }

            #[inline(always)]
            fn is_routed(ctx: &XdpContext, offset: usize) -> bool {
                $is_routed(ctx.ctx, offset) != 0
            }
        }
    };
}

functions!(V4, nlb_read_passing_v4, nlb_is_routed_v4);
functions!(V6, nlb_read_passing_v6, nlb_is_routed_v6);

const READ: u32 = 0;
const TRUNCATED: u32 = 1;
const EXTENSIONS: u32 = 2;
const BAD: u32 = 3;

/// This CPU's working memory.
#[inline(always)]
fn work() -> Option<&'static mut Passing> {
    // SAFETY: this CPU's own entry, which nothing else uses while this program runs on it; a program and the functions that
    // it calls take turns.
    GATEWAY_WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
}

#[inline(always)]
fn read<F: Routable>(ctx: &XdpContext, offset: usize) -> u32 {
    let offset = Offsets { link: offset, payload: 0 }.bounded().link;
    let Some(work) = work() else { return TRUNCATED };
    match Routed::read::<F, _>(&PacketDoor::new(ctx), offset) {
        Ok(routed) => {
            work.flow = routed.flow.both_ways(Affinity::Flow);
            work.routed = routed;
            READ
        }
        Err(Stop::Drop(DropReason::TruncatedNetwork)) => TRUNCATED,
        Err(Stop::Drop(DropReason::ExtensionHeaders)) => EXTENSIONS,
        Err(_) => BAD,
    }
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

#[inline(always)]
fn is_routed<F: Addressed>(ctx: &XdpContext, offset: usize) -> bool {
    let offset = Offsets { link: offset, payload: 0 }.bounded().link;
    let (mut source, mut destination) = (Address::default(), Address::default());
    if F::read_addresses(&PacketDoor::new(ctx), offset, &mut source, &mut destination).is_none() {
        return false;
    }
    // SAFETY: integers, and unions of them: zero is a value.
    let mut way: FibLookup = unsafe { zeroed() };
    way.ifindex = ctx.ingress_ifindex() as u32;
    if F::PROTOCOL == protocol::IPV4 {
        way.family = AF_INET;
        way.__bindgen_anon_3.ipv4_src = source.0[3];
        way.__bindgen_anon_4.ipv4_dst = destination.0[3];
    } else {
        way.family = AF_INET6;
        way.__bindgen_anon_3.ipv6_src = source.0;
        way.__bindgen_anon_4.ipv6_dst = destination.0;
    }
    // SAFETY: `way` lies on this function's stack, with that length.
    let answer = unsafe { bpf_fib_lookup(ctx.as_ptr(), &raw mut way, size_of::<FibLookup>() as i32, 0) };
    // By a route, whatever else the kernel has to say of it.
    matches!(
        answer as u32,
        BPF_FIB_LKUP_RET_SUCCESS
            | BPF_FIB_LKUP_RET_NO_NEIGH
            | BPF_FIB_LKUP_RET_FRAG_NEEDED
            | BPF_FIB_LKUP_RET_UNSUPP_LWT
    )
}

/// The target of the flow in the working memory, or one of the other answers of [`flows`]. `is_about`: the packet is none of the
/// flow's, and nothing is remembered for it.
#[inline(always)]
pub(super) fn decide(slot: Slot, asked: Asked, tcp_flags: u8, is_about: bool) -> TargetIndex {
    nlb_decide_passing(slot.0, asked.packed(), u64::from(tcp_flags) | u64::from(is_about) << 8)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_decide_passing(slot: u64, asked: u64, packet: u64) -> u32 {
    let (slot, asked) = (Slot(slot), Asked::unpacked(asked));
    let Some(work) = work() else { return slot.current() };
    if packet >> 8 & 1 != 0 {
        return flows::owner(&work.flow, slot, asked.tracking);
    }
    flows::answer_of(&work.flow, slot, asked, packet as u8)
}
