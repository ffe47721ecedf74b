//! The per-packet trace: lines for the chosen flow, and for no other.

use aya::maps::RingBuf;
use nlb_common::hash::Flow;
use nlb_common::slot::Slot;
use nlb_common::tables::Target;
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Segment, World};
use nlb_tests::run::Edge;

const LINES: &str = "AYA_LOGS";

/// Runs `packets` while `traced` is traced; the text of each line that the kernel logged.
fn lines(trace: bool, traced: Flow, packets: &[Described]) -> Vec<String> {
    lines_with(trace, traced, packets, |_| {})
}

/// The same in a world that `prepare` has changed.
fn lines_with(trace: bool, traced: Flow, packets: &[Described], prepare: impl FnOnce(&mut World)) -> Vec<String> {
    let mut edge = Edge::load_with(1, trace).unwrap();
    edge.set_traced(traced).unwrap();
    let mut logs = RingBuf::try_from(edge.ebpf().take_map(LINES).unwrap()).unwrap();
    let mut world = World::around(edge).unwrap();
    prepare(&mut world);
    for packet in packets {
        world.edge.run(&packet.frame()).unwrap();
    }
    let mut lines = Vec::new();
    while let Some(line) = logs.next() {
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
    lines
}

fn packet(vip: usize, source_port: u16) -> Described {
    let mut packet = Described::new(VIPS[vip].parse().unwrap(), port(1), Segment::Data);
    packet.source.1 = source_port;
    packet
}

#[test]
fn the_traced_flow_gets_a_line_for_each_stage() {
    for vip in [0, 1] {
        let packet = packet(vip, 1_000);
        let lines = lines(true, packet.flow(), &[packet]);
        let stages = ["packet: ", "listener: ", "slot: ", "target: ", "sent: "];
        assert_eq!(lines.len(), stages.len(), "{lines:?}");
        for (line, stage) in lines.iter().zip(stages) {
            assert!(line.contains(stage), "{line:?} is not about {stage:?}");
        }
    }
}

#[test]
fn the_other_target_that_a_packet_by_gue_names_has_a_line() {
    let by_gue = |world: &mut World| {
        for index in [1, 2] {
            world.edge.set_target(index, Target { flags: Target::READY | Target::GUE, ..target(index) }).unwrap();
        }
        world.edge.set_slot(1, Slot::closed(1, 2)).unwrap();
    };
    let [data, syn] = [Segment::Data, Segment::Syn].map(|segment| Described { segment, ..packet(0, 1_000) });
    let lines = lines_with(true, data.flow(), &[syn, data], by_gue);
    let told: Vec<_> = lines.iter().filter(|line| line.contains("second chance")).collect();
    assert_eq!((told.len(), lines.len()), (1, 11), "a SYN names none: {lines:?}");
    // The text, and then its argument as the kernel writes it: a type, a length of 4, the number 2.
    assert!(told[0].contains("second chance: target ") && told[0].contains("\u{4}\0\u{2}\0\0\0"), "{told:?}");
}

#[test]
fn a_traced_flow_that_is_not_forwarded_says_so() {
    let mut nobodys = packet(0, 1_000);
    nobodys.destination.1 = 7_999;
    let lines = lines(true, nobodys.flow(), &[nobodys]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("passed to the stack"), "{lines:?}");
}

#[test]
fn other_flows_get_no_line() {
    let [traced, another_port, another_family] = [packet(0, 1_000), packet(0, 1_001), packet(1, 1_000)];
    assert_eq!(lines(true, traced.flow(), &[another_port, another_family]), [""; 0]);
}

#[test]
fn a_field_of_zero_matches_any() {
    let any_port = Flow { source_port: 0, ..packet(0, 1).flow() };
    assert_eq!(lines(true, any_port, &[packet(0, 1_000), packet(0, 1_001), packet(1, 1_000)]).len(), 10);
    assert_eq!(lines(true, Flow::default(), &[packet(0, 1_000), packet(1, 1_000)]).len(), 10);
}

#[test]
fn without_the_constant_there_is_no_line_and_no_code_for_one() {
    assert_eq!(lines(false, Flow::default(), &[packet(0, 1_000)]), [""; 0]);
    let size = |trace| {
        let edge = Edge::load_with(1, trace).unwrap();
        edge.program().unwrap().info().unwrap().size_translated().unwrap()
    };
    assert!(size(false) < size(true));
}
