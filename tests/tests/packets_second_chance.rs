//! What the target host's program sends on, byte for byte, and what it doesn't: in a network namespace that has no sockets, so
//! that every connection is another target's.

use std::net::IpAddr;
use std::process::Command;

use etherparse::IpNumber;
use nix::sched::{CloneFlags, unshare};
use nlb_common::counters::DecapOutcome;
use nlb_tests::packets::described::TAGGINGS;
use nlb_tests::packets::icmp::Message;
use nlb_tests::packets::reference::{frame, gue};
use nlb_tests::packets::world::VIPS;
use nlb_tests::packets::{Described, Segment};
use nlb_tests::run::{Action, Ran, TargetHost};

const HOST: [&str; 2] = ["10.0.0.77", "fd00::77"];
const OTHER: [&str; 2] = ["10.0.0.78", "fd00::78"];
const EDGES: [&str; 2] = ["10.0.255.1", "fd00:edce::1"];
const OTHER_MAC: [u8; 6] = [2, 0xcc, 0, 0, 0, 0x33];
const HOST_MAC: [u8; 6] = [2, 0xdd, 0, 0, 0, 0x44];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn command(words: &str) {
    let mut words = words.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success());
}

/// Runs a test on a host of its own, whose neighbour is the other target's host.
fn on_a_host(test: impl FnOnce(&TargetHost) + Send) {
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
            command("ip link set lo up");
            command("ip link add eth0 address 02:dd:00:00:00:44 type veth peer name far");
            command("ip link set far up");
            command("ip link set eth0 up");
            for (host, length) in HOST.iter().zip([24, 64]) {
                command(&format!(
                    "ip address add {host}/{length} dev eth0 {}",
                    if length == 64 { "nodad" } else { "" }
                ));
            }
            for other in OTHER {
                command(&format!("ip neighbour add {other} lladdr 02:cc:00:00:00:33 dev eth0"));
            }
            for family in ["ipv4", "ipv6"] {
                std::fs::write(format!("/proc/sys/net/{family}/conf/lo/forwarding"), "1").unwrap();
            }
            test(&TargetHost::load(&HOST.map(ip), &[(ip("10.0.255.0"), 24), (ip("fd00:edce::"), 64)]).unwrap());
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// A packet by GUE, with a UDP checksum, as other senders than the edge's program may write one.
fn tunnelled(family: usize, second: Option<(&str, u8)>, inner: &Described) -> Vec<u8> {
    tunnelled_around(family, second, inner, &inner.ip())
}

/// The same with another IP packet in place of `inner`'s.
fn tunnelled_around(family: usize, second: Option<(&str, u8)>, inner: &Described, packet: &[u8]) -> Vec<u8> {
    let mut payload = gue(50_123, second.map(|(second, hops)| (ip(second), hops)), packet);
    payload[6..8].copy_from_slice(&[0x12, 0x34]);
    payload.extend(packet);
    let frame = frame(&inner.tags, EDGES[family], HOST[family], 2, IpNumber::UDP, &payload);
    [frame, inner.pad()].concat()
}

/// A router's word to the VIP about what it answered `asked` with, of which `quoted` bytes are said again.
fn blaming(asked: &Described, kind: [(u8, u8); 2], quoted: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (Described, Message) {
    let (source, destination) = (asked.destination, asked.source);
    let answer = Described { source, destination, payload: 40, ..asked.clone() };
    let router = ip(["192.0.2.254", "2001:db8:ff::fe"][usize::from(source.0.is_ipv6())]);
    let carrier = Described { source: (router, 0), destination: source, ..asked.clone() };
    (carrier, Message::of(kind[usize::from(source.0.is_ipv6())], [0, 0, 5, 0], quoted(answer.ip())))
}

const UNREACHABLE: [(u8, u8); 2] = [(3, 1), (1, 0)];
const TOO_BIG: [(u8, u8); 2] = [(3, 4), (2, 0)];
const ECHO_REPLY: [(u8, u8); 2] = [(0, 0), (129, 0)];

fn inner(vip: &str, segment: Segment) -> Described {
    Described { traffic_class: 2, ..Described::new(ip(vip), 80, segment) }
}

fn assert_taken_out(ran: Ran, inner: &Described, what: &str) {
    assert_eq!((ran.action, ran.packet), (Action::Pass, inner.frame()), "{what}");
}

#[test]
fn what_is_sent_on_is_framed_as_the_reference_frames_it() {
    on_a_host(|host| {
        let mut packets = 0;
        for family in [0, 1] {
            for vip in VIPS {
                for tags in TAGGINGS {
                    for segment in
                        Segment::ALL.into_iter().filter(|segment| !segment.opens() && segment.number() == IpNumber::TCP)
                    {
                        let inner = Described { tags: tags.to_vec(), padding: 5, ..inner(vip, segment) };
                        let ran = host.run(&tunnelled(family, Some((OTHER[family], 1)), &inner)).unwrap();
                        let payload = [gue(50_123, Some((ip(OTHER[family]), 0)), &inner.ip()), inner.ip()].concat();
                        let mut expected = frame(tags, EDGES[family], OTHER[family], 2, IpNumber::UDP, &payload);
                        expected[..12].copy_from_slice(&[OTHER_MAC, HOST_MAC].concat());
                        expected.extend(inner.pad());
                        // It came in by `lo`: by another interface than it leaves. Tags keep it in its VLAN.
                        let action = if tags.is_empty() { Action::Redirect } else { Action::Tx };
                        assert_eq!((ran.action, ran.packet), (action, expected), "{inner:?}");
                        packets += 1;
                    }
                }
            }
        }
        assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::SecondChance, packets)]);
    });
}

#[test]
fn an_error_about_a_connection_is_sent_on_like_its_packets_and_no_other_message_is() {
    on_a_host(|host| {
        let (mut sent, mut stayed) = (0, 0);
        for family in [0, 1] {
            for vip in VIPS {
                let second = Some((OTHER[family], 1));
                let of_tcp = inner(vip, Segment::Data);
                let least = of_tcp.header_length() + 8;
                for kind in [UNREACHABLE, TOO_BIG] {
                    for length in [least, least + 1, usize::MAX] {
                        let (carrier, message) = blaming(&of_tcp, kind, |mut answer| {
                            answer.truncate(length);
                            answer
                        });
                        let packet = message.ip(&carrier);
                        let ran = host.run(&tunnelled_around(family, second, &carrier, &packet)).unwrap();
                        let payload = [gue(50_123, Some((ip(OTHER[family]), 0)), &packet), packet].concat();
                        let mut expected = frame(&[], EDGES[family], OTHER[family], 2, IpNumber::UDP, &payload);
                        expected[..12].copy_from_slice(&[OTHER_MAC, HOST_MAC].concat());
                        assert_eq!((ran.action, ran.packet), (Action::Redirect, expected), "{message:?}");
                        sent += 1;
                    }
                }
                let of_udp = inner(vip, Segment::Udp);
                let turned = |answer: &[u8]| {
                    let (addresses, length) = if vip.contains(':') { (8, 16) } else { (12, 4) };
                    let mut turned = answer.to_vec();
                    turned[addresses..addresses + 2 * length].rotate_left(length);
                    turned
                };
                let table = [
                    ("about UDP", second, blaming(&of_udp, TOO_BIG, |answer| answer)),
                    ("about what a client sent", second, blaming(&of_tcp, TOO_BIG, |answer| turned(&answer))),
                    ("with one port", second, blaming(&of_tcp, TOO_BIG, |answer| answer[..least - 5].to_vec())),
                    ("no error", second, blaming(&of_tcp, ECHO_REPLY, |answer| answer)),
                    ("no hops left", Some((OTHER[family], 0)), blaming(&of_tcp, TOO_BIG, |answer| answer)),
                    ("no other target", None, blaming(&of_tcp, TOO_BIG, |answer| answer)),
                ];
                for (what, second, (carrier, message)) in table {
                    let packet = message.ip(&carrier);
                    let ran = host.run(&tunnelled_around(family, second, &carrier, &packet)).unwrap();
                    assert_eq!((ran.action, ran.packet), (Action::Pass, message.frame(&carrier)), "{what}");
                    stayed += 1;
                }
            }
        }
        let expected = [(DecapOutcome::Decapsulated, stayed), (DecapOutcome::SecondChance, sent)];
        assert_eq!(host.outcomes().unwrap(), expected);
    });
}

#[test]
fn what_may_not_be_sent_on_is_taken_out_of_its_tunnel() {
    on_a_host(|host| {
        let mut packets = 0;
        for family in [0, 1] {
            for vip in VIPS {
                let other = OTHER[family];
                let table = [
                    ("a SYN", Some((other, 1)), Segment::Syn),
                    ("UDP", Some((other, 1)), Segment::Udp),
                    ("no hops left", Some((other, 0)), Segment::Data),
                    ("no other target", None, Segment::Data),
                    ("the other family's target", Some((OTHER[1 - family], 1)), Segment::Data),
                ];
                for (what, second, segment) in table {
                    let inner = inner(vip, segment);
                    assert_taken_out(host.run(&tunnelled(family, second, &inner)).unwrap(), &inner, what);
                    packets += 1;
                }
            }
        }
        assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Decapsulated, packets)]);
    });
}

#[test]
fn without_a_way_there_it_stays_here_and_without_a_mac_address_it_waits() {
    on_a_host(|host| {
        let (mut lost, mut waiting) = (0, 0);
        for family in [0, 1] {
            let inner = inner(VIPS[0], Segment::Data);
            // No route, the host itself, and a link-local address, which says nothing of its link.
            let nowhere = [["192.0.2.1", HOST[0]], ["2001:db8::1", HOST[1]]];
            for other in nowhere[family] {
                assert_taken_out(host.run(&tunnelled(family, Some((other, 1)), &inner)).unwrap(), &inner, other);
                lost += 1;
            }
            let stranger = ["10.0.0.79", "fd00::79"][family];
            let packet = tunnelled(family, Some((stranger, 1)), &inner);
            let ran = host.run(&packet).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Drop, packet), "{stranger}");
            waiting += 1;
        }
        // A host that won't say which way it would send.
        for family in ["ipv4", "ipv6"] {
            std::fs::write(format!("/proc/sys/net/{family}/conf/lo/forwarding"), "0").unwrap();
        }
        for family in [0, 1] {
            let inner = inner(VIPS[1], Segment::Data);
            let ran = host.run(&tunnelled(family, Some((OTHER[family], 1)), &inner)).unwrap();
            assert_taken_out(ran, &inner, "no answer");
            lost += 1;
        }
        let expected = [(DecapOutcome::SecondChanceWaits, waiting), (DecapOutcome::SecondChanceLost, lost)];
        assert_eq!(host.outcomes().unwrap(), expected);
    });
}

#[test]
fn a_broken_packet_is_dropped_and_not_sent_on() {
    on_a_host(|host| {
        let mut packets = 0;
        for family in [0, 1] {
            for vip in VIPS {
                let inner = inner(vip, Segment::Data);
                // An inner packet of more bytes than the tunnel has: what pads the frame is no part of it.
                let mut frame = tunnelled(family, Some((OTHER[family], 1)), &inner);
                let at = frame.len() - inner.ip().len();
                frame[at + if vip.contains(':') { 5 } else { 3 }] += 4;
                frame.extend([0; 4]);
                assert_eq!(host.run(&frame).unwrap().action, Action::Drop);
                packets += 1;
            }
        }
        assert_eq!(host.outcomes().unwrap(), [(DecapOutcome::Malformed, packets)]);
    });
}
