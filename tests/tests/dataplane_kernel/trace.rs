//! The per-packet trace is another program, for as long as someone looks.

use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_userspace::dataplane::{Dataplane as _, DataplaneError, Kernel, KernelError, TraceLines};

use crate::bench::{PEER, on_the_bench};
use crate::wire::Wire;

/// Sends a UDP packet from the other end of the wire.
fn send() {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 9, 0, 1], [10, 9, 0, 2], 64)
        .udp(4000, 53)
        .write(&mut frame, b"traced")
        .unwrap();
    Wire::on(PEER).send(&frame);
}

fn line(lines: &mut TraceLines) -> Option<String> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if let Ok(line) = lines.try_recv() {
            return Some(line);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

#[test]
fn lines_come_while_the_trace_is_on_and_the_plain_program_returns_after() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        let links = bench.link_ids();
        let mut lines = kernel.trace(Some(Flow::default())).unwrap().unwrap();
        assert_ne!(bench.program(), plain);
        send();
        assert!(line(&mut lines).is_some(), "a traced packet has lines");

        assert!(kernel.trace(None).unwrap().is_none());
        assert_eq!(bench.program(), plain);
        assert_eq!(bench.link_ids(), links);
        while lines.try_recv().is_ok() {}
        send();
        assert!(lines.blocking_recv().is_none(), "the lines have ended");
        assert!(kernel.trace(None).unwrap().is_none(), "off is off");
    });
}

#[test]
fn another_flow_begins_another_trace_and_ends_the_first() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let mut first = kernel.trace(Some(Flow::default())).unwrap().unwrap();
        let traced = bench.program();
        let mut second = kernel.trace(Some(Flow::default())).unwrap().unwrap();
        assert_ne!(bench.program(), traced);
        assert!(first.blocking_recv().is_none());
        send();
        assert!(line(&mut second).is_some());
    });
}

#[test]
fn an_agent_that_goes_takes_its_trace_with_it() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        let _lines = kernel.trace(Some(Flow::default())).unwrap();
        drop(kernel);
        assert_eq!(bench.program(), plain);
    });
}

#[test]
fn a_trace_goes_on_when_interfaces_change() {
    on_the_bench(|bench| {
        let mut kernel: Kernel = bench.active(&bench.settings());
        let mut lines = kernel.trace(Some(Flow::default())).unwrap().unwrap();
        kernel.activate().unwrap();
        send();
        assert!(line(&mut lines).is_some());
    });
}

#[test]
fn a_trace_is_refused_when_it_would_run_over_other_tables() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        std::fs::remove_file(kernel.set_path().join(edge::GROUPS)).unwrap();
        let error = kernel.trace(Some(Flow::default())).unwrap_err();
        assert!(matches!(error, DataplaneError::Kernel(KernelError::PinsGone { .. })), "{error}");
        assert_eq!(bench.program(), plain);
    });
}
