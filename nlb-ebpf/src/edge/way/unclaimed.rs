//! TCP and UDP for a port that no listener has.
//!
//! An exclusive VIP refuses it, as a host would that has no other service (RFC 9293, section 3.10.7.1; RFC 1122, section
//! 3.2.2.1). Of another VIP the edge's own stack may know more. A GUE tunnel to a VIP or a target is dropped ([`foreign`]), one by
//! GENEVE to a target. What is for no VIP may be routed through ([`gateway`](super::gateway)), or come back from an appliance ([`geneve`](super::geneve)).

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use nlb_common::answer::is_answerable;
use nlb_common::drop_reason::DropReason;
use nlb_common::icmp::Control;
use nlb_common::icmp::error::Refusal;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Door as _, NotOurs, Packet, Stop, transport};
use nlb_common::tunnel::geneve;
use nlb_common::way::WayOutcome;
use nlb_common::wire::{Tcp, protocol};
use nlb_ebpf::door::PacketDoor;

use super::super::addressed::Offsets;
use super::super::functions::Functions;
use super::super::maps::VIPS;
use super::{Program, foreign, refuse};

#[xdp]
#[inline(always)]
fn nlb_way_unclaimed(ctx: XdpContext) -> u32 {
    let verdict = super::run::<Unclaimed>(&ctx);
    if let Err(stop @ Stop::Pass(NotOurs::NoVip | NotOurs::Geneve)) = verdict {
        super::hand_over(&ctx, stop);
    }
    super::action(verdict)
}

/// The program.
enum Unclaimed {}

impl Program for Unclaimed {
    #[inline(always)]
    fn family<F: Control + Functions>(ctx: &XdpContext, link: Link) -> Result<u32, Stop> {
        let door = PacketDoor::new(ctx);
        let network = super::read::<F>(&door, &link)?;
        foreign::stop(&door, &network)?;
        let transport = transport::read(&door, &network)?;
        let Some(vip) = VIPS.get_ptr(&network.destination) else {
            if network.protocol != protocol::UDP || transport.destination_port != geneve::PORT.to_be() {
                return Err(Stop::Pass(NotOurs::NoVip));
            }
            // To an appliance. What one sends back goes to an edge's own address.
            foreign::stop_any(&network)?;
            return Err(Stop::Pass(NotOurs::Geneve));
        };
        // SAFETY: an entry stays mapped while the program runs; the agent puts whole entries in place of others.
        if !unsafe { *vip }.is_exclusive() {
            return Err(Stop::Pass(NotOurs::NoListener));
        }
        transport.segment.opens().map_err(Stop::Drop)?;
        let packet = Packet { link, network, transport };
        let outcome = if packet.network.protocol == protocol::TCP {
            reset::<F>(ctx, &packet).map(|()| WayOutcome::Reset)
        } else {
            refuse::answer::<F>(ctx, &packet.link, &packet.network, Refusal::PortUnreachable)
                .map(|()| WayOutcome::Unreachable)
        };
        super::outcome(outcome.ok_or(Stop::Drop(DropReason::Refused))?);
        Ok(xdp_action::XDP_TX)
    }
}

/// Turns the packet into a reset to its sender; `None` if it is one itself, which is never answered.
#[inline(always)]
fn reset<F: Functions>(ctx: &XdpContext, packet: &Packet) -> Option<()> {
    let Network { source, payload, payload_length, .. } = packet.network;
    let resets = PacketDoor::new(ctx).header::<Tcp>(payload)?.flags & Tcp::RST != 0;
    let answered = !resets && is_answerable(&source) && F::reset(ctx.ctx, Offsets::of(packet), payload_length);
    answered.then_some(())
}
