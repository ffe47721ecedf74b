//! A capture is another program before the one that balances, for as long as someone looks.

use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_userspace::dataplane::{CaptureEvent, CapturedPacket, Captures, Dataplane as _, DataplaneError, KernelError};

use crate::bench::{PEER, everything, on_the_bench, pins_in};
use crate::wire::Wire;

/// Sends a UDP packet from the other end of the wire. Its length.
fn send() -> usize {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 9, 0, 1], [10, 9, 0, 2], 64)
        .udp(4000, 53)
        .write(&mut frame, b"captured")
        .unwrap();
    Wire::on(PEER).send(&frame);
    frame.len()
}

/// The next packet of those that [`send`] sends.
fn packet(captures: &mut Captures) -> Option<CapturedPacket> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        match captures.try_recv() {
            Ok(CaptureEvent::Packet(packet)) if packet.before.bytes.ends_with(b"captured") => return Some(packet),
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    None
}

#[test]
fn packets_come_while_a_capture_is_on_and_the_plain_program_returns_after() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let (plain, links, pins) = (bench.program(), bench.link_ids(), pins_in(&kernel.set_path()));
        let mut captures = kernel.capture(Some(everything())).unwrap().unwrap();
        assert_ne!(bench.program(), plain);
        let length = send();
        let packet = packet(&mut captures).expect("a captured packet comes");
        assert_eq!(packet.before.bytes.len(), length);
        let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().abs_diff(packet.received);
        assert!(age < Duration::from_secs(60), "{age:?}");

        assert!(kernel.capture(None).unwrap().is_none());
        assert_eq!((bench.program(), bench.link_ids()), (plain, links));
        assert_eq!(pins_in(&kernel.set_path()), pins, "nothing of it is pinned");
        while captures.try_recv().is_ok() {}
        send();
        assert!(captures.blocking_recv().is_none(), "the packets have ended");
        assert!(kernel.capture(None).unwrap().is_none(), "off is off");
    });
}

#[test]
fn a_trace_and_a_capture_may_run_together_and_end_in_either_order() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        for trace_ends_first in [true, false] {
            let mut captures = kernel.capture(Some(everything())).unwrap().unwrap();
            let capturing = bench.program();
            let mut lines = kernel.trace(Some(Flow::default())).unwrap().unwrap();
            assert_eq!(bench.program(), capturing, "the trace runs behind");
            send();
            assert!(packet(&mut captures).is_some() && lines.blocking_recv().is_some());
            if trace_ends_first {
                kernel.trace(None).unwrap();
                send();
                assert!(packet(&mut captures).is_some());
                kernel.capture(None).unwrap();
            } else {
                kernel.capture(None).unwrap();
                send();
                assert!(lines.blocking_recv().is_some());
                kernel.trace(None).unwrap();
            }
            assert_eq!(bench.program(), plain);
        }
    });
}

#[test]
fn an_agent_that_goes_takes_its_capture_with_it() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        let _captures = kernel.capture(Some(everything())).unwrap();
        drop(kernel);
        assert_eq!(bench.program(), plain);
    });
}

#[test]
fn a_reader_that_is_slow_loses_packets_and_hears_how_many() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let mut captures = kernel.capture(Some(everything())).unwrap().unwrap();
        let wire = Wire::on(PEER);
        let mut frame = vec![0; 256];
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]);
        // More than the ring buffer and the channel hold together.
        let sent = 40_000_u64;
        for number in 0..sent {
            wire.send(&frame);
            if number % 64 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let (mut packets, mut lost) = (0, 0);
        let end = Instant::now() + Duration::from_secs(20);
        while packets + lost < sent && Instant::now() < end {
            match captures.try_recv() {
                Ok(CaptureEvent::Packet(packet)) => packets += u64::from(packet.before.bytes == frame),
                Ok(CaptureEvent::Lost(so_far)) => lost = so_far,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        assert!(lost > 0 && packets > 0 && packets + lost >= sent, "{packets} came and {lost} were lost of {sent}");
    });
}

#[test]
fn a_capture_is_refused_when_it_would_run_over_other_tables() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        let plain = bench.program();
        std::fs::remove_file(kernel.set_path().join(edge::DROPS)).unwrap();
        let error = kernel.capture(Some(everything())).unwrap_err();
        assert!(matches!(error, DataplaneError::Kernel(KernelError::PinsGone { .. })), "{error}");
        assert_eq!(bench.program(), plain);
    });
}
