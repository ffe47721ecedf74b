//! The target host's XDP program: takes packets of the edges out of their tunnel and hands them to the stack.
//!
//! The stages, in the order of the packet's way: link, network (the outer header, read by the same code that reads a client's
//! packet on the edge), `admission` (to us, and from an edge?), `second_chance` (GUE alone: is the connection another target's?),
//! `decapsulation`.
//!
//! Invariant: what isn't an edge's tunnel packet for this host passes as it came. That includes broken packets: the stack drops
//! them by itself. Only what an edge sent is ever changed or dropped here.
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
    mod admission;
    mod maps;
    mod second_chance;

    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
    use nlb_common::counters::DecapOutcome;
    use nlb_common::packet::network::{Family, V4, V6};
    use nlb_common::packet::{NotOurs, Stop, link};
    use nlb_common::tunnel::InnerError;
    use nlb_common::tunnel::gue::SendOn;
    use nlb_common::wire::{EtherType, Ipv4, Ipv6, protocol};
    use nlb_ebpf::door::PacketDoor;
    use nlb_ebpf::{count, decapsulation};

    /// What becomes of a packet. Both are always there: of an enum, the verifier would see what isn't.
    struct Verdict {
        /// An XDP action.
        action: u32,
        /// What it is counted as.
        outcome: Option<DecapOutcome>,
    }

    impl Verdict {
        /// Not a tunnel packet for this host.
        const NOT_OURS: Self = Self { action: xdp_action::XDP_PASS, outcome: None };

        /// To the stack as it is now.
        const fn pass(outcome: DecapOutcome) -> Self {
            Self { action: xdp_action::XDP_PASS, outcome: Some(outcome) }
        }

        /// Thrown away.
        const fn drop(outcome: DecapOutcome) -> Self {
            Self { action: xdp_action::XDP_DROP, outcome: Some(outcome) }
        }
    }

    impl From<Stop> for Verdict {
        fn from(_: Stop) -> Self {
            Self::NOT_OURS
        }
    }

    impl From<InnerError> for Verdict {
        fn from(error: InnerError) -> Self {
            Self::drop(match error {
                InnerError::Malformed => DecapOutcome::Malformed,
                InnerError::Congestion => DecapOutcome::Congestion,
            })
        }
    }

    #[xdp]
    fn nlb_target(ctx: XdpContext) -> u32 {
        let verdict = receive(&ctx).unwrap_or_else(|verdict| verdict);
        if let Some(outcome) = verdict.outcome {
            count::one(&maps::OUTCOMES, outcome as u32);
        }
        verdict.action
    }

    #[inline(always)]
    fn receive(ctx: &XdpContext) -> Result<Verdict, Verdict> {
        let door = PacketDoor::new(ctx);
        let link = link::read(&door)?;
        match link.ether_type {
            EtherType::IPV4 => family::<V4, Ipv4>(ctx, door, link),
            EtherType::IPV6 => family::<V6, Ipv6>(ctx, door, link),
            _ => Err(Stop::Pass(NotOurs::EtherType).into()),
        }
    }

    #[inline(always)]
    fn family<F: Family, O: SendOn>(
        ctx: &XdpContext,
        mut door: PacketDoor<'_>,
        link: link::Link,
    ) -> Result<Verdict, Verdict> {
        let outer = F::read(&door, link.length)?;
        let tunnel = admission::admit(&door, &outer)?;
        let outcome = if outer.protocol == protocol::UDP {
            second_chance::take::<O>(ctx, &mut door, &link, &tunnel)?
        } else {
            DecapOutcome::Decapsulated
        };
        decapsulation::unwrap(door, &link, &tunnel, outer.traffic_class)?;
        Ok(Verdict::pass(outcome))
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
