//! A packet that doesn't fit the way to its target, or a translated answer the way to its client: its sender is told what does
//! (RFC 1191, RFC 8201).
//!
//! Of a datagram in fragments, the first speaks for all: nobody is told about another (RFC 1122, section 3.2.2).

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::drop_reason::DropReason;
use nlb_common::icmp::Control;
use nlb_common::icmp::error::Refusal;
use nlb_common::packet::link::Link;
use nlb_common::packet::{Stop, transport};
use nlb_common::way::WayOutcome;
use nlb_ebpf::door::PacketDoor;

use super::super::functions::Functions;
use super::{Program, nat, refuse, route};

#[xdp]
#[inline(always)]
fn nlb_way_too_big(ctx: XdpContext) -> u32 {
    super::action(super::run::<TooBig>(&ctx))
}

/// The program.
enum TooBig {}

impl Program for TooBig {
    #[inline(always)]
    fn family<F: Control + Functions>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let door = PacketDoor::new(ctx);
        let fragment = super::read_fragment::<F>(&door, &link)?;
        if !fragment.is_first() {
            return Err(Stop::Drop(DropReason::TooBig));
        }
        let network = fragment.network;
        let transport = transport::read(&door, &network)?;
        let flow = transport::flow(&network, &transport);
        let cut = !fragment.is_whole();
        let mtu = match nat::answer_mtu(ctx, &flow, &network, cut) {
            Some(mtu) => mtu,
            None => route::of(&flow)?.target.mtu_from(network.source.is_v4(), cut),
        };
        refuse::answer::<F>(ctx, &link, &network, Refusal::TooBig { mtu }).ok_or(Stop::Drop(DropReason::TooBig))?;
        super::outcome(WayOutcome::TooBig);
        Ok(xdp_action::XDP_TX)
    }
}
