//! The edge's XDP program: a client's packet in, the same packet in a tunnel to its target out.
//!
//! The stages, in the order of the packet's way; the first three are pure code of `nlb-common`, the others have a file
//! each here:
//!
//! ```text
//! link → network → transport → listener → guard → slot → decide → target → active → encapsulation → transmit
//!                                                          │                         │
//!                         the slot is in transition, or was: flows, remember, reset  or l2, without a tunnel
//! ```
//!
//! What is not for this path is offered to a way of its own, a program in a file below `way`, before it passes or is dropped.
//! While somebody captures packets, the program of `capture` stands before this one, which knows nothing of it.
//!
//! Invariants: there are six table accesses (listener, slot, target, sketch of active flows, two counters) on a packet's way,
//! all of them to arrays, and no more as long as its slot is steady, but for a listener that stands at its second place or is
//! guarded, for the sketch of one that shares its group, and for a packet by GUE that names its slot's other target; a packet is changed only
//! once nothing can stop it but the room for its outer header.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", expect(clippy::needless_pass_by_value, reason = "an XDP program is called that way"))]
#![cfg_attr(
    target_arch = "bpf",
    expect(clippy::needless_borrows_for_generic_args, reason = "by value a key is first copied to the stack")
)]

// The stages' files stand beside this one; on other architectures they don't exist.
#[cfg(target_arch = "bpf")]
#[path = "."]
mod program {
    mod active;
    mod addressed;
    mod capture;
    mod constants;
    mod decide;
    mod encapsulation;
    mod flows;
    mod functions;
    mod guard;
    mod known;
    mod l2;
    mod listener;
    mod maps;
    mod quic;
    mod remember;
    mod reset;
    mod slot;
    mod target;
    mod trace;
    mod transmit;
    mod way;

    use addressed::Offsets;
    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
    use decide::Decision;
    use functions::Functions;
    use nlb_common::drop_reason::DropReason;
    use nlb_common::packet::link::{self, Link};
    use nlb_common::packet::network::{V4, V6};
    use nlb_common::packet::{NotOurs, Packet, Stop, transport};
    use nlb_common::tables::Target;
    use nlb_common::wire::EtherType;
    use nlb_ebpf::count;
    use nlb_ebpf::door::PacketDoor;
    use trace::Trace;

    // Inlined into what the macro puts around it: a call of its own would cost every packet.
    #[xdp]
    #[inline(always)]
    fn nlb_edge(ctx: XdpContext) -> u32 {
        let verdict = if constants::tracing() { receive::<true>(&ctx) } else { receive::<false>(&ctx) };
        if let Err(stop) = verdict {
            way::hand_over(&ctx, stop);
        }
        way::action(verdict)
    }

    #[inline(always)]
    fn receive<const TRACE: bool>(ctx: &XdpContext) -> Result<u32, Stop> {
        let door = PacketDoor::new(ctx);
        let link = link::read(&door)?;
        match link.ether_type {
            EtherType::IPV4 => family::<V4, TRACE>(ctx, door, link),
            EtherType::IPV6 => family::<V6, TRACE>(ctx, door, link),
            _ => Err(Stop::Pass(NotOurs::EtherType)),
        }
    }

    #[inline(always)]
    fn family<F: Functions, const TRACE: bool>(
        ctx: &XdpContext,
        door: PacketDoor<'_>,
        link: Link,
    ) -> Result<u32, Stop> {
        let network = F::read(&door, link.length)?;
        let transport = transport::read(&door, &network)?;
        let packet = Packet { link, network, transport };
        let trace = Trace::<TRACE>::of::<F>(ctx, &packet);
        let verdict = balance::<F, TRACE>(ctx, door, &packet, trace);
        trace.verdict(verdict);
        verdict
    }

    #[inline(always)]
    fn balance<F: Functions, const TRACE: bool>(
        ctx: &XdpContext,
        door: PacketDoor<'_>,
        packet: &Packet,
        trace: Trace<TRACE>,
    ) -> Result<u32, Stop> {
        let flow = packet.flow();
        let listener = listener::find(&flow)?;
        trace.listener(listener);
        let opens = packet.transport.segment.opens().map_err(Stop::Drop)?;
        let claim = listener.claim;
        guard::admit::<F>(ctx, &packet.link, listener, opens)?;
        let found = slot::find::<F>(ctx, packet, &flow, claim)?;
        let index = match decide::target_of::<F>(ctx, packet, claim, &found, opens) {
            Decision::Target(index) => index,
            Decision::Reset => return reset::<F, TRACE>(ctx, packet, trace),
            Decision::Over => return Err(Stop::Drop(DropReason::TargetDrained)),
            Decision::Translate => return Err(Stop::Pass(NotOurs::Translated)),
        };
        let hash = found.hash;
        trace.decision(found.slot, hash, index);
        let target = target::find(index)?;
        trace.target(index);
        target::fits(target.mtu, &packet.network)?;
        active::note::<F>(ctx, packet, &found, listener, index, opens);
        let way_out = transmit::way_out(ctx, target);
        match target.forwarding() {
            Target::GUE => {
                let second = target::second(found.slot, index, target, packet, opens);
                trace.second(second);
                encapsulation::wrap_gue::<F>(ctx, &packet.link, &packet.network, index, target, second, hash)?;
            }
            Target::L2 => l2::readdress(ctx, &packet.link, index)?,
            Target::NAT | Target::NAT_SOURCE => return Err(Stop::Pass(NotOurs::Translated)),
            _ => encapsulation::wrap::<F>(door, &packet.link, &packet.network, target, hash, way_out)?,
        }
        count::add(&maps::LISTENER_COUNTERS, claim.counters(), packet.network.length, opens);
        count::add(&maps::TARGET_COUNTERS, index, packet.network.length, opens);
        Ok(transmit::send(way_out))
    }

    /// The packet's connection is over: its client gets a TCP reset in return.
    #[inline(always)]
    fn reset<F: Functions, const TRACE: bool>(
        ctx: &XdpContext,
        packet: &Packet,
        trace: Trace<TRACE>,
    ) -> Result<u32, Stop> {
        trace.reset();
        if F::reset(ctx.ctx, Offsets::of(packet), packet.network.payload_length) {
            Ok(xdp_action::XDP_TX)
        } else {
            Err(Stop::Drop(DropReason::TargetDrained))
        }
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
