//! Packets that change their IP family on the way (RFC 7915).

use nlb_common::drop_reason::DropReason;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::icmp::{Message, told};
use nlb_tests::packets::world::WAYS;
use nlb_tests::run::Action;

use super::headers::translatable;
use super::*;

/// A client's packet to the listener of target `index` at the VIP of the other family than the target's.
pub(super) fn request_of_the_other(world: &World, index: u32, segment: Segment) -> Described {
    let vip = VIPS[usize::from(world.targets[index as usize - 1].destination.is_v4())];
    Described::new(vip.parse().unwrap(), port(index), segment)
}

/// `packet` between these, in their family: without what its own family's header had besides.
pub(super) fn between(packet: &Described, source: (IpAddr, u16), destination: (IpAddr, u16)) -> Described {
    let network = if source.0.is_ipv4() { Network::V4 { options: 0 } } else { Network::V6(Vec::new()) };
    Described { source, destination, network, ..packet.clone() }
}

/// Where the IP packet begins in the frame that left for the target.
fn at_target(asked: &Described, target: &Target) -> usize {
    14 + if target.interface == INGRESS { 4 * asked.tags.len() } else { 0 }
}

/// The packet at the target for which the client's left in that frame: its source port is the edge's choice.
pub(super) fn arrived(left: &[u8], asked: &Described, target: &Target) -> Described {
    let at = at_target(asked, target) + if target.destination.is_v4() { 20 } else { 40 };
    let source = (target.source.into(), u16::from_be_bytes([left[at], left[at + 1]]));
    between(asked, source, (target.destination.into(), u16::from_be(target.port)))
}

/// The IP packet that `packet` has become, with the identification that stands in `frame` behind a link header of that length.
fn become_of(packet: &Described, frame: &[u8], link: usize) -> Vec<u8> {
    translated::crossed(translated::ip(packet, 1), [frame[link + 4], frame[link + 5]])
}

/// Runs the client's packet, which should leave in its whole for the target, and gives it as it arrives there.
fn goes_there(world: &World, asked: &Described, target: &Target) -> Described {
    let (action, tags) =
        if target.interface == INGRESS { (Action::Tx, &asked.tags[..]) } else { (Action::Redirect, &[][..]) };
    let there = run(world, asked);
    assert_eq!(there.action, action, "{asked:?}");
    let expected = arrived(&there.packet, asked, target);
    let ip = become_of(&expected, &there.packet, at_target(asked, target));
    let header = link(target.next_hop_mac, target.source_mac, tags, ether_type(&expected));
    assert_eq!(there.packet, [header, ip, asked.pad()].concat(), "{asked:?}");
    expected
}

/// Runs the target's answer, which should come to the client as if the VIP had sent it.
fn comes_back(world: &World, said: &Described, asked: &Described) {
    let back = run(world, said);
    let heard = between(said, asked.destination, asked.source);
    let ip = become_of(&heard, &back.packet, asked.link_length());
    let header = link(ROUTER_MAC, EDGE_MAC, &asked.tags, ether_type(&heard));
    assert_eq!((back.action, back.packet), (Action::Tx, [header, ip, said.pad()].concat()), "{said:?}");
}

#[test]
fn every_combination_of_headers_changes_its_family_there_and_back() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (way, index) in WAYS.iter().zip(indexes) {
        let target = world.targets[index as usize - 1];
        for network in networks(4).into_iter().filter(|network| way.0 != matches!(network, Network::V4 { .. })) {
            for (tags, answered) in TAGGINGS.into_iter().zip(TAGGINGS.into_iter().cycle().skip(1)) {
                for segment in translatable() {
                    let asked = Described {
                        tags: tags.to_vec(),
                        network: network.clone(),
                        padding: 6,
                        traffic_class: 0xb9,
                        ..request_of_the_other(&world, index, segment)
                    };
                    let arrived = goes_there(&world, &asked, &target);
                    let said = Described { tags: answered.to_vec(), payload: 5, ..answer(&arrived, segment) };
                    comes_back(&world, &said, &asked);
                }
            }
        }
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn an_ipv4_packet_may_be_fragmented_up_to_1260_bytes() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let target = world.targets[indexes[0] as usize - 1];
    for (payload, flags) in [(1_220, 0), (1_221, 0x40)] {
        let asked = Described { payload, ..request_of_the_other(&world, indexes[0], Segment::Data) };
        goes_there(&world, &asked, &target);
        assert_eq!(run(&world, &asked).packet[14 + 6], flags, "{payload} bytes behind both headers");
    }
}

#[test]
fn a_datagram_without_checksum_gets_one() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let without = |packet: &Described| {
        let mut frame = frame(packet);
        let field = packet.link_length() + packet.header_length() + 6;
        frame[field..field + 2].fill(0);
        frame
    };
    for payload in [0, 1, 11, 1_400, 2_900] {
        // From a client by IPv4, and from a target.
        let to_v6 = indexes[2];
        let target = world.targets[to_v6 as usize - 1];
        let asked = Described { payload, ..request_of_the_other(&world, to_v6, Segment::Udp) };
        let there = world.edge.run(&without(&asked)).unwrap().packet;
        let expected = arrived(&there, &asked, &target);
        assert_eq!(there[14..], become_of(&expected, &there, 14), "{payload} bytes");

        let to_v4 = indexes[0];
        let asked = request_of_the_other(&world, to_v4, Segment::Udp);
        let there = run(&world, &asked).packet;
        let said = answer(&arrived(&there, &asked, &world.targets[to_v4 as usize - 1]), Segment::Udp);
        let said = Described { payload, ..said };
        let back = world.edge.run(&without(&said)).unwrap().packet;
        assert_eq!(
            back[14..],
            become_of(&between(&said, asked.destination, asked.source), &back, 14),
            "{payload} bytes"
        );
    }
}

#[test]
fn what_fits_is_as_long_as_the_way_takes_in_the_targets_family() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for (index, mtu) in [(indexes[0], 3_020), (indexes[2], 2_980)] {
        let target = world.targets[index as usize - 1];
        for segment in [Segment::Data, Segment::Udp] {
            let asked = request_of_the_other(&world, index, segment);
            let payload = usize::from(mtu) + asked.payload - asked.ip().len();
            let fits = Described { payload, ..asked.clone() };
            goes_there(&world, &fits, &target);
            let longer = Described { payload: payload + 1, ..asked };
            let ip = translated::ip(&longer, 0);
            let quoted = if longer.source.0.is_ipv4() { 548 } else { 1_232 };
            let ran = run(&world, &longer);
            assert_eq!((ran.action, ran.packet), (Action::Tx, told(&longer, &Message::too_big(mtu, &ip[..quoted]))));
        }
    }
}

#[test]
fn what_fits_is_said_of_the_target_that_is_remembered() {
    let (mut world, indexes) = world(Target::NAT_SOURCE);
    let (v4, v6) = (indexes[0], indexes[2]);
    let asked = request(&world, v4, Segment::Data);
    // The flow has a target by IPv6 when its slot goes to one by IPv4.
    world.edge.set_slot(v4, Slot::closed(v6, 0).with_pins(true)).unwrap();
    assert_eq!(run(&world, &asked).action, Action::Tx);
    world.edge.set_slot(v4, Slot::closed(v4, 0).with_pins(true)).unwrap();
    let longer = Described { payload: 2_950, ..asked };
    let ip = translated::ip(&longer, 0);
    assert_eq!(run(&world, &longer).packet, told(&longer, &Message::too_big(2_980, &ip[..548])));
}

#[test]
fn a_packet_without_a_hop_left_does_not_change_its_family_either() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for index in [indexes[0], indexes[2]] {
        let asked = Described { hop_limit: 1, ..request_of_the_other(&world, index, Segment::Syn) };
        assert_eq!(run(&world, &asked).action, Action::Drop);
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::HopLimit, 2)]);
}
