//! The packet generator makes what it was asked for, and all of it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZero;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nlb_tests::generator::{Generator, Kind, Order, Sink, Sizes, Traffic};
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
            let opens = traffic.kind == Kind::Syn;
            assert!(opens || traffic.kind == Kind::Segment);
            assert_eq!((tcp.syn(), tcp.ack()), (opens, !opens));
            let header = tcp.to_header();
            let sum = match &net {
                NetSlice::Ipv4(ip) => header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()),
                _ => header.calc_checksum_ipv6(&ipv6(&net), tcp.payload()),
            };
            ((header.source_port, header.destination_port), (header.checksum, sum.unwrap()))
        }
        TransportSlice::Udp(udp) => {
            assert_eq!(traffic.kind, Kind::Udp);
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
        for kind in [Kind::Segment, Kind::Syn, Kind::Udp] {
            for (flows, order, destinations) in [
                (1, Order::Random, 1),
                (16, Order::Cyclic, 1),
                (16, Order::Random, 3),
                (1 << 32, Order::Random, 10_000),
            ] {
                for sizes in [Sizes::Shortest, Sizes::Mixed] {
                    let traffic = Traffic { kind, flows, order, destinations, sizes, ..to(destination) };
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

/// Whether a checksum among these bytes is right: all of them sum up to ones (RFC 1071).
fn sums_up(parts: &[&[u8]]) -> bool {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let sum: u64 = words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum.is_multiple_of(0xffff) && sum > 0
}

fn packets(traffic: &Traffic) -> Vec<Vec<u8>> {
    let generator = Generator::new(traffic, 1).unwrap();
    (0..200).map(|_| generator.next_packet().unwrap()).collect()
}

#[test]
fn echo_requests_are_whole_and_each_flow_has_its_source_and_identifier() {
    for (destination, ip, headers) in [(V4, 20, [0x45, 8]), (V6, 40, [0x60, 128])] {
        for sizes in [Sizes::Shortest, Sizes::Mixed] {
            let traffic = Traffic { kind: Kind::Echo, flows: 1 << 32, sizes, ..to(destination) };
            let mut flows = BTreeSet::new();
            for frame in packets(&traffic) {
                let (header, message) = frame[14..].split_at(ip);
                assert_eq!([header[0], message[0]], headers);
                let whole = if ip == 20 {
                    assert!(sums_up(&[header]));
                    sums_up(&[message])
                } else {
                    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                    sums_up(&[&header[8..], &length, &[0, 0, 0, 58], message])
                };
                assert!(whole, "{frame:02x?}");
                flows.insert((header[ip - 20..ip - 4].to_vec(), message[4..6].to_vec()));
            }
            assert_eq!(flows.len(), 200);
        }
    }
}

#[test]
fn errors_are_whole_and_quote_what_was_sent_to_their_source() {
    let traffic = Traffic { kind: Kind::Error, flows: 1 << 32, ..to(V4) };
    let mut quoted = BTreeSet::new();
    for frame in packets(&traffic) {
        let (header, message) = frame[14..].split_at(20);
        assert!(sums_up(&[header]) && sums_up(&[message]), "{frame:02x?}");
        assert_eq!((header[9], &message[..2]), (1, &[3, 1][..]), "ICMP, host unreachable");
        let (header_of_quoted, ports) = message[8..36].split_at(20);
        assert!(sums_up(&[header_of_quoted]));
        assert_eq!(header_of_quoted[12..16], header[16..20], "it was sent by the destination");
        assert_eq!(header_of_quoted[16..20], header[12..16], "to the source");
        assert_eq!(ports[..2], 80_u16.to_be_bytes());
        quoted.insert((header[12..16].to_vec(), ports[2..4].to_vec()));
    }
    assert_eq!(quoted.len(), 200);
    let v6 = Traffic { kind: Kind::Error, ..to(V6) };
    assert!(Generator::new(&v6, 1).is_err(), "it makes none by IPv6");
}

#[test]
fn fragments_are_each_of_another_datagram() {
    for (first, word) in [(true, 0x2000_u16), (false, 185)] {
        let traffic = Traffic { kind: Kind::Fragment { first }, flows: 1 << 32, ..to(V4) };
        let mut datagrams = BTreeSet::new();
        for frame in packets(&traffic) {
            let header = &frame[14..34];
            assert!(sums_up(&[header]), "{frame:02x?}");
            assert_eq!(header[6..8], word.to_be_bytes());
            assert_eq!((header[9], (frame.len() - 34) % 8), (6, 0), "TCP, and nothing of the next fragment");
            datagrams.insert((header[12..16].to_vec(), header[4..6].to_vec()));
        }
        assert_eq!(datagrams.len(), 200);
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
