//! The packet generator makes what it was asked for, and all of it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZero;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nlb_tests::generator::{Generator, Order, Sink, Sizes, Traffic};
use nlb_tests::segment::Segment;

const V4: &str = "192.0.2.10:80";
const V6: &str = "[2001:db8:80::10]:80";

fn to(destination: &str) -> Traffic {
    Traffic::to(destination.parse().unwrap())
}

/// The flow of a packet, after all checks of what every packet must be.
fn flow(traffic: &Traffic, frame: &[u8]) -> (SocketAddr, SocketAddr) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let net = packet.net.unwrap();
    let addresses = match &net {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let beyond = frame.len() - 14 - usize::from(header.total_len);
            assert_eq!(beyond, 0, "the packet is not as long as its frame");
            (header.source.into(), header.destination.into())
        }
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => panic!("ARP"),
    };
    let ip_payload = net.ip_payload_ref().unwrap();
    let (ports, sum) = match packet.transport.unwrap() {
        TransportSlice::Tcp(tcp) => {
            assert!(!traffic.udp);
            assert_eq!((tcp.syn(), tcp.ack()), (traffic.opens, !traffic.opens));
            let header = tcp.to_header();
            let sum = match &net {
                NetSlice::Ipv4(ip) => header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()),
                _ => header.calc_checksum_ipv6(&ipv6(&net), tcp.payload()),
            };
            ((header.source_port, header.destination_port), (header.checksum, sum.unwrap()))
        }
        TransportSlice::Udp(udp) => {
            assert!(traffic.udp);
            let header = udp.to_header();
            assert_eq!(usize::from(header.length), ip_payload.payload.len());
            let sum = match &net {
                NetSlice::Ipv4(ip) => header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload()),
                _ => header.calc_checksum_ipv6(&ipv6(&net), udp.payload()),
            };
            ((header.source_port, header.destination_port), (header.checksum, sum.unwrap()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(sum.0, sum.1, "the checksum");
    (SocketAddr::new(addresses.0, ports.0), SocketAddr::new(addresses.1, ports.1))
}

fn ipv6(net: &NetSlice<'_>) -> etherparse::Ipv6Header {
    let NetSlice::Ipv6(ip) = net else { panic!("no IPv6") };
    ip.header().to_header()
}

#[test]
fn every_packet_is_whole_and_the_flows_are_as_many_as_asked_for() {
    for destination in [V4, V6] {
        for (udp, opens) in [(false, false), (false, true), (true, false)] {
            for (flows, order, destinations) in [
                (1, Order::Random, 1),
                (16, Order::Cyclic, 1),
                (16, Order::Random, 3),
                (1 << 32, Order::Random, 10_000),
            ] {
                for sizes in [Sizes::Shortest, Sizes::Mixed] {
                    let traffic = Traffic { udp, opens, flows, order, destinations, sizes, ..to(destination) };
                    let generator = Generator::new(&traffic, 1).unwrap();
                    let frames: Vec<_> = (0..200).map(|_| generator.next_packet().unwrap()).collect();
                    let seen: BTreeSet<_> = frames.iter().map(|frame| flow(&traffic, frame)).collect();
                    let said = format!("{traffic:?}");
                    assert_eq!(seen.len(), usize::try_from(flows.min(200)).unwrap(), "{said}");
                    let sources: BTreeSet<_> = seen.iter().map(|(source, _)| source).collect();
                    assert_eq!(sources.len(), seen.len(), "a flow has one destination: {said}");
                    let reached: BTreeSet<_> = seen.iter().map(|(_, destination)| destination).collect();
                    assert_eq!(reached.first(), reached.range(traffic.destination..).next(), "{said}");
                    assert!(reached.len() <= usize::try_from(destinations).unwrap(), "{said}");
                    assert!(reached.len() > 1 || destinations == 1, "{said}");
                    assert_lengths(&frames, sizes);
                }
            }
        }
    }
}

fn assert_lengths(frames: &[Vec<u8>], sizes: Sizes) {
    let mut lengths = BTreeMap::<usize, usize>::new();
    frames.iter().for_each(|frame| *lengths.entry(frame.len()).or_default() += 1);
    let known: Vec<_> = lengths.keys().copied().collect();
    match sizes {
        Sizes::Shortest => assert!(matches!(known[..], [60 | 80]), "{lengths:?}"),
        Sizes::Mixed => {
            assert!(matches!(known[..], [60 | 80, 566, 1514]), "{lengths:?}");
            let counts: Vec<_> = lengths.values().collect();
            assert!(counts[0] > counts[1] && counts[1] > counts[2], "{lengths:?}");
        }
    }
}

#[test]
fn a_cycle_goes_through_all_flows_in_their_order() {
    let traffic = Traffic { flows: 4, order: Order::Cyclic, ..to(V4) };
    let generator = Generator::new(&traffic, 1).unwrap();
    let sources: Vec<_> = (0..6).map(|_| flow(&traffic, &generator.next_packet().unwrap()).0.to_string()).collect();
    let expected = [0, 1, 2, 3, 0, 1].map(|flow| format!("100.0.0.{flow}:1024"));
    assert_eq!(sources, expected);
}

#[test]
fn all_that_is_sent_into_a_cable_arrives_at_the_sink() {
    const PACKETS: u64 = 300_000;
    let segment = Segment::new();
    let index = segment.edge.ip("-oneline link show eth0").split(':').next().unwrap().parse().unwrap();
    let sink = segment.peer.inside(|| Sink::attach("eth0").unwrap());
    for (sizes, mean) in [(Sizes::Shortest, 60..=60), (Sizes::Mixed, 300..=400)] {
        let before = sink.arrived().unwrap();
        let traffic = Traffic { flows: 1 << 16, sizes, ..to(V4) };
        segment.edge.inside(|| {
            Generator::new(&traffic, index).unwrap().send(NonZero::new(PACKETS).unwrap()).unwrap();
        });
        let after = sink.arrived().unwrap();
        let packets = after.packets - before.packets;
        // The hosts themselves say a few words when a cable is laid.
        assert!((PACKETS..PACKETS + 50).contains(&packets), "{packets} of {PACKETS}");
        assert!(mean.contains(&((after.bytes - before.bytes) / packets)), "{:?}", (before, after));
    }
}
