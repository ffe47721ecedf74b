//! What is routed through the edge, and a gateway takes: to an appliance, by GENEVE.
//!
//! ```text
//! gateway → VIP? → routed? → slot → decide → target → active → encapsulation → transmit
//! ```
//!
//! Packets of any protocol come here, after everybody else had no use for them; what no gateway takes passes. A flow is both of its
//! directions ([`Flow::both_ways`](nlb_common::hash::Flow::both_ways)): they hash to one slot, and one pin is both's. Slots, transitions and
//! pins are the same as for a listener's flows.
//!
//! What an appliance sends back is [`geneve`](super::geneve)'s, and is not looked at here again.

mod passing;

use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::Tracking;
use nlb_common::gateway::Gateway;
use nlb_common::hash::{Affinity, Flow};
use nlb_common::icmp::error::Refusal;
use nlb_common::packet::link::Link;
use nlb_common::packet::routed::Routed;
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_common::way::WayOutcome;
use nlb_common::wire::protocol;
use nlb_ebpf::count;

pub(in super::super) use passing::Passing;
pub(super) use passing::PassingThrough;

use super::super::flows::{self, Asked};
use super::super::maps::{GATEWAYS, LISTENER_COUNTERS, TARGET_COUNTERS, VIPS};
use super::super::slot::{self, Found};
use super::super::{active, constants, encapsulation, target, transmit};
use super::{Program, refuse};

/// No gateway takes it, or it is for the edge itself.
const NOT_OURS: Stop = Stop::Pass(NotOurs::NoVip);

#[xdp]
#[inline(always)]
fn nlb_way_gateway(ctx: XdpContext) -> u32 {
    super::action(super::run::<Through>(&ctx))
}

/// The program.
enum Through {}

impl Program for Through {
    #[inline(always)]
    fn family<F: PassingThrough>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let Passing { routed, flow } = F::read_passing(ctx, link.length)?;
        let gateway = of(&routed.flow).ok_or(NOT_OURS)?;
        if VIPS.get_ptr(&routed.network.destination).is_some() || !F::is_routed(ctx, link.length) {
            return Err(NOT_OURS);
        }
        let hash = constants::hash_keys().hash_flow(flow);
        let found = slot_of(flow, gateway, hash)?;
        let index = target_of(routed, gateway, &found)?;
        let target = target::find(index)?;
        // Nobody but gateways may send by GENEVE, and gateways send by nothing else.
        if target.forwarding() != Target::GENEVE {
            return Err(Stop::Drop(DropReason::NoTarget));
        }
        if let Err(stop) = target::fits(target.mtu, &routed.network) {
            refuse::answer::<F>(ctx, &link, &routed.network, Refusal::TooBig { mtu: target.mtu }).ok_or(stop)?;
            super::outcome(WayOutcome::TooBig);
            return Ok(xdp_action::XDP_TX);
        }
        if !routed.opens {
            active::note_hash(hash, gateway.sketch, index);
        }
        let way_out = transmit::way_out(ctx, target);
        encapsulation::wrap_geneve::<F>(ctx, &link, &routed.network, index, target, gateway.endpoint, hash)?;
        count::add(&LISTENER_COUNTERS, gateway.claim.counters(), routed.network.length, routed.opens);
        count::add(&TARGET_COUNTERS, index, routed.network.length, routed.opens);
        Ok(transmit::send(way_out))
    }
}

/// The gateway that takes the packets of `flow`, in whichever direction.
#[inline(always)]
fn of(flow: &Flow) -> Option<&'static Gateway> {
    let ends = flow.both_ways(Affinity::SourceIpDestIp);
    Gateway::chosen(at(ends.source), at(ends.destination))
}

/// The gateway of the narrowest network that an address lies in.
#[inline(always)]
fn at(address: Address) -> Option<&'static Gateway> {
    const WHOLE: u32 = 128;
    GATEWAYS.get(&Key::new(WHOLE, address))
}

/// The slot of a flow whose both directions have that hash. What the gateway's affinity makes of it is put in its place.
#[inline(always)]
fn slot_of(flow: &mut Flow, gateway: &Gateway, hash: u64) -> Result<Found, Stop> {
    match gateway.claim.affinity() {
        affinity @ (Affinity::SourceIpDestIp | Affinity::SourceIpDestIpProto) => {
            *flow = flow.both_ways(affinity);
            slot::at(gateway.claim, constants::hash_keys().hash_flow(flow))
        }
        _ => slot::at(gateway.claim, hash),
    }
}

/// The target of the flow that stands in the working memory.
#[inline(always)]
fn target_of(routed: &Routed, gateway: &Gateway, found: &Found) -> Result<TargetIndex, Stop> {
    let tracking = gateway.claim.tracking();
    if found.slot.is_steady() || tracking == Tracking::None as u8 {
        return Ok(found.slot.current());
    }
    // What is less than a connection is opened by nothing that is in a packet, as for UDP.
    let is_connection = gateway.claim.affinity() == Affinity::Flow
        && routed.flow.protocol == protocol::TCP
        && routed.flow.source_port | routed.flow.destination_port != 0;
    let protocol = if is_connection { protocol::TCP } else { protocol::UDP };
    let opens = is_connection && routed.opens;
    let asked = Asked { index: found.index, tracking, opens, protocol };
    match passing::decide(found.slot, asked, routed.tcp_flags, routed.is_about) {
        flows::RESET | flows::OVER => Err(Stop::Drop(DropReason::TargetDrained)),
        index => Ok(index),
    }
}
