//! An agent that is killed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use nlb_common::hash::Flow;
use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings};

use crate::bench::{Bench, PEER, everything, on_the_bench};
use crate::wire::Wire;

const PIN_PATH: &str = "NLBK_PIN_PATH";

/// Not a test of its own: the process that [`a_killed_agent_leaves_traffic_running_and_the_next_one_takes_over`] starts
/// and that kills itself, tracing and capturing.
#[test]
fn agent_that_is_killed() {
    let Some(pin_path) = std::env::var_os(PIN_PATH) else { return };
    let bench = std::mem::ManuallyDrop::new(Bench { pin_path: pin_path.into() });
    let mut kernel = bench.active(&bench.settings());
    let _lines = kernel.trace(Some(Flow::default())).unwrap();
    let _captures = kernel.capture(Some(everything())).unwrap();
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn a_killed_agent_leaves_traffic_running_and_the_next_one_takes_over() {
    on_the_bench(|bench| {
        let killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::agent_that_is_killed"])
            .env(PIN_PATH, &bench.pin_path)
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
        let (traced, links) = (bench.program(), bench.link_ids());
        // To a listener whose targets aren't ready: what is balanced is dropped, and nothing else is.
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([10, 9, 0, 1], [192, 0, 0, 100], 64)
            .tcp(1024, 80, 1, 1000)
            .write(&mut frame, b"data")
            .unwrap();
        Wire::on(PEER).send(&frame);

        let settings: KernelSettings = bench.settings();
        let mut kernel = Kernel::open(&settings).unwrap();
        assert_eq!(kernel.read().unwrap().targets.len(), 2);
        let mut dropped = || kernel.counters(&[], &[]).unwrap().drops.iter().map(|(_, packets)| packets).sum::<u64>();
        assert!(soon(&mut dropped), "packets are balanced without an agent");
        kernel.activate().unwrap();
        assert_ne!(bench.program(), traced);
        assert_eq!(bench.link_ids(), links);
    });
}

/// Whether it counts something within some seconds.
fn soon(mut counted: impl FnMut() -> u64) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if counted() > 0 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
