//! Two programs for tests and benches alone: one sends packets, the other counts them at the end of their way.
//!
//! - `nlb_generate` is run by `BPF_PROG_TEST_RUN` with live frames: each run makes one packet and sends it out of an
//!   interface. The kernel recycles the frames with what was last written to them, so every header is written anew.
//! - `nlb_sink`, attached to an interface, counts what comes in and throws it away.
//!
//! Packet number `i` is one of flow `i` or of a random one, within as many flows as the loader says. Flow `n` has the low 24
//! bits of `n` in its source address and the others in its source port; the destination follows from `n` as well.
//!
//! One CPU at a time runs a loaded `nlb_generate`: it counts its packets in an array.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", expect(clippy::needless_pass_by_value, reason = "an XDP program is called that way"))]

#[cfg(target_arch = "bpf")]
#[path = "."]
mod program {
    mod packet;
    mod settings;

    use aya_ebpf::maps::{Array, PerCpuArray};
    use aya_ebpf::{bindings::xdp_action, helpers::bpf_redirect, macros::map, macros::xdp, programs::XdpContext};
    use nlb_common::counters::Counters;
    use nlb_ebpf::count;

    /// How many packets there were: the number of the next.
    #[map]
    static NUMBER: Array<u64> = Array::with_max_entries(1, 0);

    /// What came in.
    #[map]
    static ARRIVED: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

    #[xdp]
    fn nlb_generate(ctx: XdpContext) -> u32 {
        let Some(number) = NUMBER.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
        // SAFETY: an array's entry stays mapped, and one CPU at a time runs this program.
        let number = unsafe {
            *number += 1;
            *number - 1
        };
        match packet::write(&ctx, number) {
            // SAFETY: the helper only notes the interface; without flags it always answers XDP_REDIRECT.
            #[expect(clippy::cast_possible_truncation, reason = "an XDP action")]
            Some(()) => unsafe { bpf_redirect(settings::INTERFACE.load(), 0) as u32 },
            None => xdp_action::XDP_ABORTED,
        }
    }

    #[xdp]
    fn nlb_sink(ctx: XdpContext) -> u32 {
        count::add(&ARRIVED, 0, ctx.data_end() - ctx.data(), false);
        xdp_action::XDP_DROP
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
