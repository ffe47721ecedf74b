//! What an appliance sends back: out of its tunnel, and on its way through the host's stack.
//!
//! Whoever may bring packets past the appliances decides what reaches the networks behind them. So a tunnel is taken only from a
//! target whose number it names, to the address that this edge sends to that target from, and only with the cookie of the flow
//! that is inside, which nobody knows who hasn't seen a packet of the flow on its way to an appliance. Anything else is no tunnel
//! of ours: it stays as it is, and may be routed through like any packet.

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::drop_reason::DropReason;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Network, V4, V6};
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::{FIRST_TARGET, Target};
use nlb_common::tunnel::geneve::{self, Said};
use nlb_common::tunnel::{InnerError, Received};
use nlb_common::way::{Way, WayOutcome};
use nlb_common::wire::protocol;
use nlb_ebpf::decapsulation;
use nlb_ebpf::door::PacketDoor;

use super::super::constants;
use super::super::maps::TARGETS;
use super::Program;
use super::gateway::PassingThrough;

const FOREIGN: Stop = Stop::Pass(NotOurs::Geneve);
const BAD: Stop = Stop::Drop(DropReason::BadTunnel);

#[xdp]
#[inline(always)]
fn nlb_way_geneve(ctx: XdpContext) -> u32 {
    let verdict = super::run::<Back>(&ctx);
    if verdict == Err(FOREIGN) {
        super::outcome(WayOutcome::ForeignTunnel);
        super::go_on(&ctx, Way::Gateway);
    }
    super::action(verdict)
}

/// The program.
enum Back {}

impl Program for Back {
    #[inline(always)]
    fn family<F: PassingThrough>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let door = PacketDoor::new(ctx);
        let outer = super::read::<F>(&door, &link)?;
        let (tunnel, said) = geneve::read(&door, &outer).map_err(|_| FOREIGN)?;
        if !is_from_appliance(said.target, &outer) {
            return Err(FOREIGN);
        }
        let belongs = if tunnel.protocol == protocol::IPV4 {
            belongs::<V4>(ctx, &tunnel, &said)
        } else {
            belongs::<V6>(ctx, &tunnel, &said)
        };
        if !belongs {
            return Err(BAD);
        }
        decapsulation::unwrap(door, &link, &tunnel, outer.traffic_class).map_err(|error| match error {
            InnerError::Malformed => BAD,
            InnerError::Congestion => Stop::Drop(DropReason::Congestion),
        })?;
        super::outcome(WayOutcome::Returned);
        Ok(xdp_action::XDP_PASS)
    }
}

/// Whether the appliance of that number sends to whoever sent to it.
#[inline(always)]
fn is_from_appliance(index: TargetIndex, outer: &Network) -> bool {
    let target = if index < FIRST_TARGET { None } else { TARGETS.get(index) };
    target.is_some_and(|target| {
        target.is_ready()
            && target.forwarding() == Target::GENEVE
            && target.destination == outer.source
            && target.source == outer.destination
    })
}

/// Whether the packet inside is of the flow that the cookie was made for.
#[inline(always)]
fn belongs<F: PassingThrough>(ctx: &XdpContext, tunnel: &Received, said: &Said) -> bool {
    match F::read_passing(ctx, tunnel.payload) {
        Ok(inner) => {
            inner.routed.network.length <= tunnel.payload_length
                && geneve::cookie(constants::hash_keys().hash_flow(&inner.flow)) == said.cookie
        }
        Err(_) => false,
    }
}
