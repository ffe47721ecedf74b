//! The target host's XDP program: takes packets of the edges out of their tunnel and hands them to the stack.
//!
//! The stages, in the order of the packet's way: link, network (the outer header, read by the same code that reads a client's
//! packet on the edge), `admission` (to us, and from an edge?), `decapsulation`.
//!
//! Invariant: what isn't an edge's tunnel packet for this host passes as it came. That includes broken packets: the stack drops
//! them by itself. Only what an edge sent is ever changed or dropped here.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", expect(clippy::needless_pass_by_value, reason = "an XDP program is called that way"))]

// The stages' files stand beside this one; on other architectures they don't exist.
#[cfg(target_arch = "bpf")]
#[path = "."]
mod program {
    mod admission;
    mod decapsulation;
    mod maps;

    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
    use nlb_common::counters::DecapOutcome;
    use nlb_common::packet::network::{Family, V4, V6};
    use nlb_common::packet::{NotOurs, Stop, link};
    use nlb_common::wire::EtherType;
    use nlb_ebpf::count;
    use nlb_ebpf::door::PacketDoor;

    /// What becomes of a packet.
    enum Verdict {
        /// Not a tunnel packet for this host.
        NotOurs,
        /// Counted; whether the stack gets it depends on the outcome.
        Counted(DecapOutcome),
    }

    impl From<Stop> for Verdict {
        fn from(_: Stop) -> Self {
            Self::NotOurs
        }
    }

    #[xdp]
    fn nlb_target(ctx: XdpContext) -> u32 {
        let outcome = match receive(&ctx) {
            Ok(()) => DecapOutcome::Decapsulated,
            Err(Verdict::NotOurs) => return xdp_action::XDP_PASS,
            Err(Verdict::Counted(outcome)) => outcome,
        };
        count::one(&maps::OUTCOMES, outcome as u32);
        match outcome {
            DecapOutcome::Decapsulated | DecapOutcome::UnknownEdge => xdp_action::XDP_PASS,
            DecapOutcome::Malformed | DecapOutcome::Congestion => xdp_action::XDP_DROP,
        }
    }

    #[inline(always)]
    fn receive(ctx: &XdpContext) -> Result<(), Verdict> {
        let door = PacketDoor::new(ctx);
        let link = link::read(&door)?;
        match link.ether_type {
            EtherType::IPV4 => family::<V4>(door, link),
            EtherType::IPV6 => family::<V6>(door, link),
            _ => Err(Stop::Pass(NotOurs::EtherType).into()),
        }
    }

    #[inline(always)]
    fn family<F: Family>(door: PacketDoor<'_>, link: link::Link) -> Result<(), Verdict> {
        let outer = F::read(&door, link.length)?;
        admission::admit(&outer)?;
        decapsulation::unwrap(door, &link, &outer).map_err(Verdict::Counted)
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
