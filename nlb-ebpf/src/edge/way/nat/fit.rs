//! Does a target's answer fit the way to the client?
//!
//! What that way takes is the MTU of the interface by which the client's packets come: no route is looked up for an answer. What came
//! in by that interface fits it, unless it grows by changing its family.

use core::hint::cold_path;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_check_mtu;
use aya_ebpf::programs::XdpContext;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;
use nlb_common::nat::Piece;
use nlb_common::nat::cross::fitting;
use nlb_common::packet::Stop;
use nlb_common::packet::network::Network;

use super::sessions::{self, Work};

/// Whether the answer of the flow in the working memory fits.
#[inline(always)]
pub(super) fn back(ctx: &XdpContext, network: &Network, work: &Work) -> Result<(), Stop> {
    let grows = work.session.crosses(&work.flow) && network.source.is_v4();
    if work.session.interface as usize == ctx.ingress_ifindex() && !grows || mtu(ctx, network) == 0 {
        return Ok(());
    }
    cold_path();
    Err(Stop::Drop(DropReason::TooBig))
}

/// The longest packet that fits where this one does not, if it is of a flow that is a target's answers. `cut`: it is a first fragment.
#[inline(always)]
pub(in super::super) fn answer_mtu(ctx: &XdpContext, flow: &Flow, network: &Network, cut: bool) -> Option<u16> {
    let work = sessions::work()?;
    work.flow = *flow;
    work.piece = if cut { Piece::first() } else { Piece::WHOLE };
    if sessions::find() != Some(true) {
        return None;
    }
    match mtu(ctx, network) {
        0 => None,
        mtu => Some(mtu),
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "no more than 16 bits were answered")]
fn mtu(ctx: &XdpContext, network: &Network) -> u16 {
    nlb_nat_answer_mtu(ctx.ctx, network.length) as u16
}

/// A global function, as those of [`functions`](super::super::super::functions). 0 if a packet of `length` bytes fits.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_nat_answer_mtu(ctx: *mut xdp_md, length: usize) -> u32 {
    sessions::work().map_or(0, |work| longest(&XdpContext::new(ctx), work, length).into())
}

#[inline(always)]
fn longest(ctx: &XdpContext, work: &Work, length: usize) -> u16 {
    let mut mtu = 0;
    // SAFETY: the context is the one that the kernel called the program with, and `mtu` outlives the call.
    if unsafe { bpf_check_mtu(ctx.as_ptr(), work.session.interface, &raw mut mtu, 0, 0) } < 0 {
        return 0;
    }
    let mtu = mtu.min(0xffff) as u16;
    let v4 = work.flow.source.is_v4();
    let mtu = if work.session.crosses(&work.flow) { fitting(mtu, v4, work.piece.is_cut()) } else { mtu };
    if length <= usize::from(mtu) { 0 } else { mtu }
}
