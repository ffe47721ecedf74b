//! Datagrams in fragments, of flows that are translated: within their family, and into the other.

use nlb_common::drop_reason::DropReason;
use nlb_common::layout::edge;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{Extension, Kind, TAGGINGS};
use nlb_tests::packets::hash;
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::pieces::{ORDERS, Piece};
use nlb_tests::packets::world::SEED;
use nlb_tests::run::Action;

use super::errors::{ROUTERS, carrier};
use super::families::between;
use super::fit::begun;
use super::*;

/// Where datagrams are cut.
const CUTS: [usize; 2] = [24, 64];
/// Translations, and whether they change the family.
const KINDS: [(u8, bool); 3] = [(Target::NAT, false), (Target::NAT_SOURCE, false), (Target::NAT_SOURCE, true)];

/// What stands behind the IP header of `packet`, with a right checksum.
fn datagram(packet: &Described) -> Vec<u8> {
    translated::ip(packet, 0).split_off(packet.header_length() + packet.extensions_length())
}

/// `packet` in three pieces.
fn cut(packet: &Described, identification: u32) -> [Vec<u8>; 3] {
    cut_of(packet, &datagram(packet), identification)
}

fn cut_of(packet: &Described, datagram: &[u8], identification: u32) -> [Vec<u8>; 3] {
    let [first, second] = CUTS;
    [(0, first), (first, second), (second, datagram.len())].map(|(offset, end)| {
        Piece { identification, offset, more: end < datagram.len() }.ip(packet, &datagram[offset..end])
    })
}

/// The identification with which a piece leaves that came as `packet` does: within IPv6 it stays.
fn renamed(packet: &Described, leaves_by_v4: bool, identification: u32) -> u32 {
    if packet.source.0.is_ipv6() && !leaves_by_v4 {
        return identification;
    }
    let moved = hash::of_ends(SEED, (packet.source.0, 0), (packet.destination.0, 0), 0);
    let identification = identification.wrapping_add(u32::try_from(moved & 0xffff_ffff).unwrap());
    if leaves_by_v4 { identification & 0xffff } else { identification }
}

/// The pieces as which those of `came` should leave, which are pieces of `leaves`.
fn cut_again(came: &Described, leaves: &Described, identification: u32) -> [Vec<u8>; 3] {
    let (from, to) = (came.source.0.is_ipv4(), leaves.source.0.is_ipv4());
    let name = renamed(came, to, identification);
    let leaves = Described { hop_limit: leaves.hop_limit - 1, ..leaves.clone() };
    let pieces = cut(&leaves, name);
    if from == to { pieces } else { pieces.map(without_label) }
}

/// A packet by IPv6 that came by IPv4 has no flow label.
fn without_label(mut ip: Vec<u8>) -> Vec<u8> {
    if ip[0] >> 4 == 6 {
        ip[1] &= 0xf0;
        ip[2..4].fill(0);
    }
    ip
}

/// A flow of which one packet went there: what was asked, and as what it arrives.
fn flow(world: &World, index: u32, crosses: bool, segment: Segment) -> (Described, Described) {
    let (asked, arrives) = begun(world, index, crosses, segment);
    let long = |packet| Described { payload: 100, padding: 0, ..packet };
    (long(asked), long(arrives))
}

fn assert_goes_there(world: &World, asked: &Described, ip: &[u8], target: &Target, expected: &[u8]) {
    let ran = world.edge.run(&asked.frame_around(ip)).unwrap();
    let (action, tags) =
        if target.interface == INGRESS { (Action::Tx, &asked.tags[..]) } else { (Action::Redirect, &[][..]) };
    let kind = if expected[0] >> 4 == 4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let header = link(target.next_hop_mac, target.source_mac, tags, kind);
    assert_eq!((ran.action, ran.packet), (action, [&header, expected].concat()), "{asked:?}: {ip:02x?}");
}

fn assert_comes_back(world: &World, asked: &Described, said: &Described, ip: &[u8], expected: &[u8]) {
    let ran = world.edge.run(&said.frame_around(ip)).unwrap();
    let header = link(ROUTER_MAC, EDGE_MAC, &asked.tags, ether_type(asked));
    assert_eq!((ran.action, ran.packet), (Action::Tx, [&header, expected].concat()), "{said:?}: {ip:02x?}");
}

fn assert_dropped(world: &World, packet: &Described, ip: &[u8], reason: DropReason) {
    let counted = || world.edge.drops().unwrap().into_iter().find(|(why, _)| *why == reason).map_or(0, |(_, n)| n);
    let before = counted();
    let frame = packet.frame_around(ip);
    let ran = world.edge.run(&frame).unwrap();
    assert_eq!((ran.action, ran.packet), (Action::Drop, frame), "{packet:?}: {ip:02x?}");
    assert_eq!(counted() - before, 1, "{reason:?}: {packet:?}");
}

#[test]
fn all_pieces_of_a_datagram_go_there_and_back() {
    let mut identification = 0x1234_fff0_u32;
    for (forwarding, crosses) in KINDS {
        let (world, indexes) = world(forwarding);
        for index in indexes {
            let target = world.targets[index as usize - 1];
            for (tags, segment) in TAGGINGS.into_iter().flat_map(|tags| [(tags, Segment::Data), (tags, Segment::Udp)]) {
                identification += 1;
                let (asked, arrives) = flow(&world, index, crosses, segment);
                let asked = Described { tags: tags.to_vec(), ..asked };
                let name = |v4: bool| if v4 { identification & 0xffff } else { identification };
                let named = name(asked.source.0.is_ipv4());
                let expected = cut_again(&asked, &arrives, named);
                for (piece, expected) in cut(&asked, named).iter().zip(&expected) {
                    assert_goes_there(&world, &asked, piece, &target, expected);
                }
                let said = answer(&arrives, segment);
                let heard = between(&said, asked.destination, asked.source);
                let named = name(said.source.0.is_ipv4());
                let expected = cut_again(&said, &heard, named);
                for (piece, expected) in cut(&said, named).iter().zip(&expected) {
                    assert_comes_back(&world, &asked, &said, piece, expected);
                }
            }
        }
        assert_eq!(world.edge.drops().unwrap(), []);
    }
}

#[test]
fn headers_with_options_and_extensions_stay_as_they_are_within_their_family() {
    let extended = Network::V6(vec![Extension { kind: Kind::HopByHop, units: 0 }]);
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (index, network) in [(indexes[0], Network::V4 { options: 8 }), (indexes[2], extended)] {
        let target = world.targets[index as usize - 1];
        let (asked, arrives) = flow(&world, index, false, Segment::Udp);
        let (asked, arrives) =
            (Described { network: network.clone(), ..asked }, Described { network: network.clone(), ..arrives });
        let expected = cut_again(&asked, &arrives, 7);
        for (piece, expected) in cut(&asked, 7).iter().zip(&expected) {
            assert_goes_there(&world, &asked, piece, &target, expected);
        }
    }
}

#[test]
fn a_piece_that_comes_before_the_first_waits_for_it() {
    let mut identification = 0;
    for (forwarding, crosses) in KINDS {
        let (mut world, indexes) = world(forwarding);
        for index in indexes {
            let target = world.targets[index as usize - 1];
            let (asked, arrives) = flow(&world, index, crosses, Segment::Udp);
            for order in ORDERS {
                identification += 1;
                let pieces = cut(&asked, identification);
                let expected = cut_again(&asked, &arrives, identification);
                let first = order.iter().position(|&piece| piece == 0).unwrap();
                for &early in &order[..first] {
                    let frame = asked.frame_around(&pieces[early]);
                    assert_eq!(world.edge.run(&frame).unwrap().action, Action::Drop);
                    assert_eq!(world.edge.early().unwrap(), [frame]);
                }
                // The agent hands in again what came early.
                for &piece in order[first..].iter().chain(&order[..first]) {
                    assert_goes_there(&world, &asked, &pieces[piece], &target, &expected[piece]);
                }
            }
        }
    }
}

#[test]
fn a_targets_other_fragments_pass_untouched() {
    for (forwarding, crosses) in KINDS {
        let (world, indexes) = world(forwarding);
        for index in indexes {
            let (_, arrives) = flow(&world, index, crosses, Segment::Udp);
            let said = answer(&arrives, Segment::Udp);
            let stranger = Described { source: (said.source.0, 9), ..said.clone() };
            // Of a flow that nobody has begun; and of one that was, but before their first.
            for (packet, pieces) in [(&stranger, &cut(&stranger, 1)[..]), (&said, &cut(&said, 2)[1..])] {
                for piece in pieces {
                    let frame = packet.frame_around(piece);
                    let ran = world.edge.run(&frame).unwrap();
                    assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{packet:?}");
                }
            }
        }
        assert_eq!(world.edge.drops().unwrap(), []);
        assert_eq!(world.edge.datagrams().unwrap().len(), 0, "nothing is remembered of them");
    }
}

#[test]
fn what_follows_a_first_piece_that_is_dropped_is_dropped() {
    for (forwarding, crosses) in KINDS {
        let (world, indexes) = world(forwarding);
        for index in indexes {
            let (asked, arrives) = flow(&world, index, crosses, Segment::Udp);
            let said = answer(&arrives, Segment::Udp);
            for (packet, identification) in [(&asked, 1), (&said, 2)] {
                let last_hop = Described { hop_limit: 1, ..packet.clone() };
                let [first, ..] = cut(&last_hop, identification);
                let [_, second, third] = cut(packet, identification);
                assert_dropped(&world, packet, &first, DropReason::HopLimit);
                assert_dropped(&world, packet, &second, DropReason::FirstDropped);
                assert_dropped(&world, packet, &third, DropReason::FirstDropped);
            }
        }
    }
}

#[test]
fn a_piece_without_a_hop_left_is_dropped() {
    for (forwarding, crosses) in KINDS {
        let (world, indexes) = world(forwarding);
        let (asked, arrives) = flow(&world, indexes[0], crosses, Segment::Udp);
        for (packet, identification) in [(&asked, 1), (&answer(&arrives, Segment::Udp), 2)] {
            let [first, ..] = cut(packet, identification);
            let [_, second, _] = cut(&Described { hop_limit: 1, ..packet.clone() }, identification);
            assert_ne!(world.edge.run(&packet.frame_around(&first)).unwrap().action, Action::Drop);
            assert_dropped(&world, packet, &second, DropReason::HopLimit);
        }
    }
}

#[test]
fn pieces_of_a_flow_that_is_no_longer_known_are_dropped() {
    for (forwarding, crosses) in KINDS {
        let (mut world, indexes) = world(forwarding);
        let (asked, arrives) = flow(&world, indexes[0], crosses, Segment::Udp);
        let said = answer(&arrives, Segment::Udp);
        let pieces = [(&asked, cut(&asked, 1)), (&said, cut(&said, 2))];
        for (packet, [first, ..]) in &pieces {
            world.edge.run(&packet.frame_around(first)).unwrap();
        }
        for table in [edge::NAT_NEW, edge::NAT_FLOWS] {
            for flow in world.edge.sessions(table).unwrap().into_keys() {
                world.edge.remove_session(table, &flow).unwrap();
            }
        }
        for (packet, [_, second, _]) in &pieces {
            assert_dropped(&world, packet, second, DropReason::TranslatedFragment);
        }
    }
}

#[test]
fn a_datagram_in_pieces_without_checksum_stays_in_its_family() {
    for (forwarding, crosses) in KINDS {
        let (world, indexes) = world(forwarding);
        let (index, target) =
            (indexes[2 * usize::from(crosses)], world.targets[indexes[2 * usize::from(crosses)] as usize - 1]);
        let (asked, arrives) = flow(&world, index, crosses, Segment::Udp);
        let without = |packet: &Described, identification| {
            let mut datagram = datagram(packet);
            datagram[6..8].fill(0);
            cut_of(packet, &datagram, identification)
        };
        let [first, second, _] = without(&asked, 9);
        if crosses {
            // IPv6 demands one, of all pieces together.
            assert_dropped(&world, &asked, &first, DropReason::OtherFamily);
            assert_dropped(&world, &asked, &second, DropReason::FirstDropped);
        } else {
            let leaves = Described { hop_limit: arrives.hop_limit - 1, ..arrives };
            let expected = without(&leaves, renamed(&asked, true, 9));
            assert_goes_there(&world, &asked, &first, &target, &expected[0]);
            assert_goes_there(&world, &asked, &second, &target, &expected[1]);
        }
    }
}

#[test]
fn extension_headers_within_what_was_cut_stay_in_their_family() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    // Destination options between the fragment header and UDP.
    let extended = |packet: &Described, datagram: &[u8]| {
        let piece = Piece { identification: 5, offset: 0, more: true };
        let mut ip = piece.ip(packet, &[&[17, 0, 1, 4, 0, 0, 0, 0], &datagram[..24]].concat());
        ip[40] = 60;
        ip
    };
    let (asked, arrives) = flow(&world, indexes[2], false, Segment::Udp);
    let target = world.targets[indexes[2] as usize - 1];
    let leaves = Described { hop_limit: arrives.hop_limit - 1, ..arrives };
    let expected = extended(&leaves, &datagram(&leaves));
    assert_goes_there(&world, &asked, &extended(&asked, &datagram(&asked)), &target, &expected);

    let (asked, _) = flow(&world, indexes[0], true, Segment::Udp);
    assert_dropped(&world, &asked, &extended(&asked, &datagram(&asked)), DropReason::OtherFamily);
}

#[test]
fn a_sender_by_ipv4_hears_what_fits_of_a_fragment_by_ipv6() {
    const MTU: [u8; 4] = [0, 0, 5, 0xdc];
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (to_target, index) in [(true, indexes[2]), (false, indexes[0])] {
        let (asked, arrives) = flow(&world, index, true, Segment::Udp);
        let target = world.targets[index as usize - 1];
        // What left by IPv6: the client's packet, or the target's answer.
        let left = if to_target { arrives } else { answer(&asked, Segment::Udp) };
        let [first, ..] = cut(&left, 3);
        for (quoted, fits) in [(first, 1_500 - 28), (translated::ip(&left, 0), 1_500 - 20)] {
            let carrier = carrier(&left, ROUTERS[1].parse().unwrap(), left.source.0, &[]);
            let told = world.edge.run(&Message::of((2, 0), MTU, quoted).frame(&carrier)).unwrap();
            let destination = if to_target { asked.source.0 } else { IpAddr::from(target.destination) };
            let IpAddr::V4(destination) = destination else { panic!("{destination} is none by IPv4") };
            let (ip, icmp) = told.packet[14..].split_at(20);
            assert_eq!((told.action, &ip[16..20]), (Action::Tx, &destination.octets()[..]));
            assert_eq!((&icmp[..2], u16::from_be_bytes([icmp[6], icmp[7]])), (&[3, 4][..], fits));
        }
    }
}

#[test]
fn a_first_piece_that_does_not_fit_is_answered_with_what_does_with_a_fragment_header() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (index, mtu) in [(indexes[0], 3_028_u16), (indexes[2], 2_972)] {
        let (asked, _) = flow(&world, index, true, Segment::Udp);
        let header: u16 = if asked.source.0.is_ipv4() { 20 } else { 48 };
        let length = usize::from((mtu - header) & !7);
        let datagram = datagram(&Described { payload: 4_000, ..asked.clone() });
        let first = |identification, length: usize| {
            Piece { identification, offset: 0, more: true }.ip(&asked, &datagram[..length])
        };
        let fits = world.edge.run(&asked.frame_around(&first(1, length))).unwrap();
        assert!(matches!(fits.action, Action::Tx) && fits.packet[6..12] == target(1).source_mac, "{mtu}");
        let longer = first(2, length + 8);
        let quoted = if asked.source.0.is_ipv4() { 548 } else { 1_232 };
        let ran = world.edge.run(&asked.frame_around(&longer)).unwrap();
        let expected = told(&asked, &Message::too_big(mtu, &longer[..quoted]));
        assert_eq!((ran.action, ran.packet), (Action::Tx, expected), "{mtu}");
        let later = Piece { identification: 2, offset: length + 8, more: false }.ip(&asked, &datagram[length + 8..]);
        assert_dropped(&world, &asked, &later, DropReason::FirstDropped);
    }
}
