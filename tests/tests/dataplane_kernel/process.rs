//! An agent that is killed.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use nlb_common::hash::Flow;
use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings};

use crate::bench::{Bench, on_the_bench};

const PIN_PATH: &str = "NLBK_PIN_PATH";

/// Not a test of its own: the process that [`a_killed_agent_leaves_traffic_running_and_the_next_one_takes_over`] starts
/// and that kills itself, tracing.
#[test]
fn agent_that_is_killed() {
    let Some(pin_path) = std::env::var_os(PIN_PATH) else { return };
    let bench = std::mem::ManuallyDrop::new(Bench { pin_path: pin_path.into() });
    let mut kernel = bench.active(&bench.settings());
    let _lines = kernel.trace(Some(Flow::default())).unwrap();
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

        let settings: KernelSettings = bench.settings();
        let mut kernel = Kernel::open(&settings).unwrap();
        assert_eq!(kernel.read().unwrap().targets.len(), 2);
        kernel.activate().unwrap();
        assert_ne!(bench.program(), traced);
        assert_eq!(bench.link_ids(), links);
    });
}
