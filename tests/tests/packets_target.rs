//! Tables of packets for the target host's program.

use std::net::IpAddr;

use etherparse::{
    EtherType, IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, Ipv6RawExtHeader,
};
use nlb_common::counters::DecapOutcome;
use nlb_common::tables::Target;
use nlb_tests::packets::described::{EDGE_MAC, ROUTER_MAC, TAGGINGS, Tag, link, networks};
use nlb_tests::packets::world::{VIPS, port, target};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::{Action, TargetHost};

const HOST: [&str; 2] = ["10.0.0.77", "fd00::77:1"];
const EDGES: [(&str, u32); 3] = [("10.0.255.0", 24), ("10.1.2.3", 32), ("fd00::edce:0", 112)];

fn host() -> TargetHost {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    TargetHost::load(&HOST.map(address), &EDGES.map(|(network, length)| (address(network), length))).unwrap()
}

/// An outer header.
#[derive(Clone, Debug)]
struct Outer {
    source: IpAddr,
    destination: IpAddr,
    traffic_class: u8,
    /// Bytes of IPv4 options, or of an IPv6 destination options header (a multiple of 8).
    options: usize,
}

impl Outer {
    fn v4() -> Self {
        Self::new("10.0.255.1", HOST[0])
    }

    fn v6() -> Self {
        Self::new("fd00::edce:1", HOST[1])
    }

    fn new(source: &str, destination: &str) -> Self {
        Self {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            traffic_class: 0,
            options: 0,
        }
    }

    fn ether_type(&self) -> EtherType {
        if self.source.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 }
    }

    /// The header around `inner`, which is said to be of `protocol`.
    fn around(&self, protocol: IpNumber, inner: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = u16::try_from(inner.len()).unwrap();
                let mut header = Ipv4Header::new(length, 64, protocol, source.octets(), destination.octets()).unwrap();
                header.dscp = IpDscp::try_new(self.traffic_class >> 2).unwrap();
                header.ecn = IpEcn::try_new(self.traffic_class & 3).unwrap();
                header.options = Ipv4Options::try_from(&vec![1; self.options][..]).unwrap();
                header.total_len = u16::try_from(20 + self.options + inner.len()).unwrap();
                header.header_checksum = header.calc_header_checksum();
                [&header.to_bytes()[..], inner].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let extension = if self.options == 0 {
                    Vec::new()
                } else {
                    Ipv6RawExtHeader::new_raw(protocol, &vec![0; self.options - 2]).unwrap().to_bytes().to_vec()
                };
                let next_header = if self.options == 0 { protocol } else { IpNumber::IPV6_DESTINATION_OPTIONS };
                let header = Ipv6Header {
                    traffic_class: self.traffic_class,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: u16::try_from(self.options + inner.len()).unwrap(),
                    next_header,
                    hop_limit: 64,
                    source: source.octets(),
                    destination: destination.octets(),
                };
                [&header.to_bytes()[..], &extension, inner].concat()
            }
            mixed => panic!("{mixed:?} mixes the families"),
        }
    }

    /// The frame with the tunnelled packet.
    fn frame(&self, tags: &[Tag], inner: &[u8]) -> Vec<u8> {
        let protocol = if inner[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
        [link(EDGE_MAC, ROUTER_MAC, tags, self.ether_type()), self.around(protocol, inner)].concat()
    }
}

fn both() -> [Outer; 2] {
    [Outer::v4(), Outer::v6()]
}

fn inner(vip: &str, segment: Segment) -> Described {
    Described::new(vip.parse().unwrap(), 80, segment)
}

#[test]
fn all_four_tunnels_are_taken_off_whatever_is_inside() {
    let host = host();
    let mut packets = 0;
    for network in networks(8) {
        for tags in TAGGINGS {
            for outer in both() {
                for options in [0, 8, 16, 40] {
                    for padding in [0, 6] {
                        let vip = VIPS[usize::from(matches!(network, Network::V6(_)))];
                        let packet = Described {
                            network: network.clone(),
                            tags: tags.to_vec(),
                            padding,
                            ..inner(vip, Segment::Data)
                        };
                        let mut frame = Outer { options, ..outer.clone() }.frame(tags, &packet.ip());
                        frame.extend(vec![0x77; padding]);
                        let ran = host.run(&frame).unwrap();
                        assert_eq!(ran.action, Action::Pass);
                        assert_eq!(
                            ran.packet,
                            packet.frame(),
                            "{packet:?} in {outer:?} with {options} bytes of options"
                        );
                        packets += 1;
                    }
                }
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Decapsulated, packets)]);
}

#[test]
fn what_the_edge_sends_arrives_as_the_client_sent_it() {
    let world = World::new().unwrap();
    let host = host();
    for network in networks(8) {
        for segment in Segment::ALL {
            for index in 1..=4 {
                let vip = VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap();
                let packet = Described {
                    network: network.clone(),
                    traffic_class: 0xb9,
                    ..Described::new(vip, port(index), segment)
                };
                let sent = world.edge.run(&packet.frame()).unwrap();
                let arrived = host.run(&sent.packet).unwrap();
                assert_eq!(arrived.action, Action::Pass);
                let Target { next_hop_mac, source_mac, .. } = target(index);
                let ether_type = if vip.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
                let expected = [link(next_hop_mac, source_mac, &[], ether_type), packet.ip()].concat();
                assert_eq!(arrived.packet, expected, "{packet:?} by way of target {index}");
            }
        }
    }
}

#[test]
fn strangers_tunnels_pass_untouched_and_are_counted() {
    let strangers = [
        Outer::new("10.0.254.255", HOST[0]),
        Outer::new("10.1.2.4", HOST[0]),
        Outer::new("0.0.0.0", HOST[0]),
        Outer::new("fd00::edcf:1", HOST[1]),
        Outer::new("::10.0.255.1", HOST[1]),
    ];
    let host = host();
    let mut packets = 0;
    for outer in strangers {
        for vip in VIPS {
            for tags in TAGGINGS {
                let frame = outer.frame(tags, &inner(vip, Segment::Syn).ip());
                let ran = host.run(&frame).unwrap();
                assert_eq!((ran.action, &ran.packet), (Action::Pass, &frame), "{outer:?}");
                packets += 1;
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::UnknownEdge, packets)]);
}

#[test]
fn every_address_of_a_network_of_edges_is_an_edge() {
    let host = host();
    for source in ["10.0.255.0", "10.0.255.255", "10.1.2.3", "fd00::edce:0", "fd00::edce:ffff"] {
        let destination = HOST[usize::from(source.contains(':'))];
        let packet = inner(VIPS[0], Segment::Syn);
        let ran = host.run(&Outer::new(source, destination).frame(&[], &packet.ip())).unwrap();
        assert_eq!((ran.action, ran.packet), (Action::Pass, packet.frame()), "{source}");
    }
}

#[test]
fn all_else_passes_untouched_and_uncounted() {
    let ip = inner(VIPS[0], Segment::Syn).ip();
    let changed = |outer: Outer, change: fn(&mut Vec<u8>)| {
        let mut frame = outer.frame(&[], &ip);
        change(&mut frame);
        frame
    };
    let mut table = vec![
        ("plain TCP", inner(VIPS[0], Segment::Syn).frame()),
        ("plain UDP over IPv6", inner(VIPS[1], Segment::Udp).frame()),
        ("a tunnel to another host", Outer::new("10.0.255.1", "10.0.0.78").frame(&[], &ip)),
        ("a tunnel to another host over IPv6", Outer::new("fd00::edce:1", "fd00::77:2").frame(&[], &ip)),
        ("ARP", changed(Outer::v4(), |frame| frame[12..14].copy_from_slice(&[8, 6]))),
        ("a first fragment", changed(Outer::v4(), |frame| frame[20] = 0x20)),
        ("a later fragment", changed(Outer::v4(), |frame| frame[21] = 7)),
        ("an IPv6 fragment", changed(Outer::v6(), |frame| frame[20] = 44)),
        ("a broken outer version", changed(Outer::v4(), |frame| frame[14] = 0x55)),
        ("a broken outer header length", changed(Outer::v4(), |frame| frame[14] = 0x44)),
        ("an outer length beyond the frame", changed(Outer::v4(), |frame| frame[16] = 1)),
        ("an IPv6 length beyond the frame", changed(Outer::v6(), |frame| frame[18] = 1)),
    ];
    for protocol in (0..=u8::MAX).filter(|protocol| ![4, 41].contains(protocol)) {
        let mut frame = Outer::v4().frame(&[], &ip);
        frame[14 + 9] = protocol;
        table.push(("another protocol", frame));
        if ![0, 43, 60].contains(&protocol) {
            let mut frame = Outer::v6().frame(&[], &ip);
            frame[14 + 6] = protocol;
            table.push(("another IPv6 protocol", frame));
        }
    }
    let host = host();
    for (what, frame) in table {
        let ran = host.run(&frame).unwrap();
        assert_eq!((ran.action, &ran.packet), (Action::Pass, &frame), "{what}: {frame:02x?}");
    }
    assert_eq!(host.outcomes().unwrap(), []);
}

#[test]
fn congestion_marks_leave_the_tunnel_as_rfc_6040_says() {
    const DSCP: u8 = 0b1011_1000;
    let host = host();
    let (mut taken, mut dropped) = (0, 0);
    for vip in VIPS {
        for outer in both() {
            for inner_ecn in 0..4_u8 {
                for outer_ecn in 0..4_u8 {
                    let packet = Described { traffic_class: DSCP | inner_ecn, ..inner(vip, Segment::Data) };
                    let outer = Outer { traffic_class: outer_ecn, ..outer.clone() };
                    let ran = host.run(&outer.frame(&[], &packet.ip())).unwrap();
                    // Rows: inner Not-ECT, ECT(1), ECT(0), CE. Columns: outer Not-ECT, ECT(1), ECT(0), CE.
                    let expected = [
                        [Some(0), Some(0), Some(0), None],
                        [Some(1), Some(1), Some(1), Some(3)],
                        [Some(2), Some(1), Some(2), Some(3)],
                        [Some(3), Some(3), Some(3), Some(3)],
                    ][usize::from(inner_ecn)][usize::from(outer_ecn)];
                    let Some(ecn) = expected else {
                        assert_eq!(ran.action, Action::Drop);
                        dropped += 1;
                        continue;
                    };
                    // The library computes the checksum of the changed header anew.
                    let expected = Described { traffic_class: DSCP | ecn, ..packet }.frame();
                    assert_eq!(
                        (ran.action, ran.packet),
                        (Action::Pass, expected),
                        "inner {inner_ecn}, outer {outer_ecn}"
                    );
                    taken += 1;
                }
            }
        }
    }
    let expected = [(DecapOutcome::Decapsulated, taken), (DecapOutcome::Congestion, dropped)];
    assert_eq!(host.outcomes().unwrap(), expected);
}

#[test]
fn an_edges_tunnel_with_no_whole_packet_inside_is_dropped_and_counted() {
    let (v4, v6) = (inner(VIPS[0], Segment::Data).ip(), inner(VIPS[1], Segment::Data).ip());
    let changed = |ip: &[u8], change: fn(&mut Vec<u8>)| {
        let mut ip = ip.to_vec();
        change(&mut ip);
        ip
    };
    let mut table = vec![
        ("IPv6 that the outer header calls IPv4", IpNumber::IPV4, v6.clone()),
        ("IPv4 that the outer header calls IPv6", IpNumber::IPV6, v4.clone()),
        ("an inner header length below 20", IpNumber::IPV4, changed(&v4, |ip| ip[0] = 0x44)),
        (
            "an inner header longer than its packet",
            IpNumber::IPV4,
            changed(&v4, |ip| ip[2..4].copy_from_slice(&[0, 19])),
        ),
        ("an inner packet longer than the tunnel's", IpNumber::IPV4, changed(&v4, |ip| ip[3] += 1)),
        ("an inner IPv6 packet longer than the tunnel's", IpNumber::IPV6, changed(&v6, |ip| ip[5] += 1)),
    ];
    for length in 0..20 {
        table.push(("a cut IPv4 header", IpNumber::IPV4, v4[..length].to_vec()));
    }
    for length in 1..40 {
        table.push(("a cut IPv6 header", IpNumber::IPV6, v6[..length].to_vec()));
    }
    let host = host();
    let mut packets = 0;
    for (what, protocol, ip) in table {
        for outer in both() {
            if ip.is_empty() && outer.source.is_ipv6() {
                // An IPv6 packet without payload is none of ours.
                continue;
            }
            for tags in TAGGINGS {
                let frame =
                    [link(EDGE_MAC, ROUTER_MAC, tags, outer.ether_type()), outer.around(protocol, &ip)].concat();
                let ran = host.run(&frame).unwrap();
                assert_eq!((ran.action, &ran.packet), (Action::Drop, &frame), "{what}: {frame:02x?}");
                packets += 1;
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Malformed, packets)]);
}

#[test]
fn an_inner_packet_shorter_than_the_tunnels_payload_is_taken() {
    let host = host();
    for vip in VIPS {
        for outer in both() {
            let ip = [inner(vip, Segment::Data).ip(), vec![0x77; 9]].concat();
            let ran = host.run(&outer.frame(&[], &ip)).unwrap();
            let expected = Described { padding: 9, ..inner(vip, Segment::Data) }.frame();
            assert_eq!((ran.action, ran.packet), (Action::Pass, expected));
        }
    }
}

#[test]
fn a_tunnel_packet_that_is_cut_off_anywhere_passes_untouched() {
    // What an edge sent is whole; a frame that isn't can't be told to be an edge's. The stack throws it away.
    let host = host();
    for vip in VIPS {
        for outer in both() {
            for tags in TAGGINGS {
                let frame = outer.frame(tags, &inner(vip, Segment::Syn).ip());
                for length in 14..frame.len() {
                    let ran = host.run(&frame[..length]).unwrap();
                    assert_eq!((ran.action, ran.packet.as_slice()), (Action::Pass, &frame[..length]));
                }
            }
        }
    }
    assert_eq!(host.outcomes().unwrap(), []);
}
