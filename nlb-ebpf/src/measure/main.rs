//! Programs for the benches alone: yardsticks beside the edge's program, and what makes a repeated run of any of them fair.
//!
//! - `nlb_bare`: passes every packet. What running a program costs by itself.
//! - `nlb_wire`: sends every packet on as it is. Behind it a packet is what a network card's driver makes of it, wherever it came
//!   from: a page with room in front.
//! - `nlb_floor_v4`, `nlb_floor_v6`: put every packet into a tunnel whose headers are constants. What no balancer can do for
//!   less.
//! - `nlb_again`: `BPF_PROG_TEST_RUN` hands a program its own output for the next run. This program takes off what the last
//!   run put on, writes what that overwrote, makes the packet one of the next flow, and calls the measured program.
//!
//! `nlb_again` costs the same whatever it calls. It writes a field with one store that no later load is wider than: else the
//! measured program would wait for two stores to reach the cache, which no packet from a network card makes it do.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", expect(clippy::needless_pass_by_value, reason = "an XDP program is called that way"))]

#[cfg(target_arch = "bpf")]
#[path = "."]
mod program {
    mod again;
    mod floor;

    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

    #[xdp]
    fn nlb_bare(_: XdpContext) -> u32 {
        xdp_action::XDP_PASS
    }

    #[xdp]
    fn nlb_wire(_: XdpContext) -> u32 {
        floor::forward()
    }

    #[xdp]
    fn nlb_floor_v4(ctx: XdpContext) -> u32 {
        floor::wrap_v4(&ctx)
    }

    #[xdp]
    fn nlb_floor_v6(ctx: XdpContext) -> u32 {
        floor::wrap_v6(&ctx)
    }

    #[xdp]
    fn nlb_again(ctx: XdpContext) -> u32 {
        again::restore(&ctx);
        // Only if the packet is none that this program was told of.
        xdp_action::XDP_ABORTED
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo) -> ! {
        loop {}
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
