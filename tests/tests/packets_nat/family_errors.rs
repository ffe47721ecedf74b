//! Error messages about flows that change their IP family (RFC 7915, sections 4.2 and 5.2).

use nlb_common::drop_reason::DropReason;
use nlb_common::way::WayOutcome;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::{Extension, Kind, TAGGINGS};
use nlb_tests::packets::icmp::Message;
use nlb_tests::run::Action;

use super::errors::{ROUTERS, carrier};
use super::families::{arrived, between, request_of_the_other};
use super::*;

/// Type and code, and what follows the checksum.
type Said = ((u8, u8), [u8; 4]);

/// What is said by IPv4, and by IPv6 then; and the other way round.
const MESSAGES: [[(Said, Said); 4]; 2] = [
    [
        (((3, 4), [0, 0, 5, 0x78]), ((2, 0), [0, 0, 5, 0x8c])),
        (((3, 3), [0; 4]), ((1, 4), [0; 4])),
        (((11, 0), [0; 4]), ((3, 0), [0; 4])),
        (((12, 0), [9, 0, 0, 0]), ((4, 0), [0, 0, 0, 6])),
    ],
    [
        (((2, 0), [0, 0, 5, 0x78]), ((3, 4), [0, 0, 5, 0x64])),
        (((1, 4), [0; 4]), ((3, 3), [0; 4])),
        (((3, 0), [0; 4]), ((11, 0), [0; 4])),
        (((4, 0), [0, 0, 0, 7]), ((12, 0), [8, 0, 0, 0])),
    ],
];
/// What has no form in the other family.
const WITHOUT: [(u8, u8); 2] = [(3, 14), (4, 2)];

/// Headers of a quoted packet.
fn networks(v4: bool) -> Vec<Network> {
    if v4 {
        vec![Network::V4 { options: 0 }, Network::V4 { options: 8 }]
    } else {
        vec![Network::V6(Vec::new()), Network::V6(vec![Extension { kind: Kind::Destination, units: 1 }])]
    }
}

/// A flow, as either side knows it: the packet that the target gets and the client has sent, and the answer that the client gets and
/// the target has sent.
struct Known {
    asked: [Described; 2],
    said: [Described; 2],
}

fn known(world: &World, index: u32, segment: Segment) -> Known {
    let asked = request_of_the_other(world, index, segment);
    let arrived = arrived(&run(world, &asked).packet, &asked, &world.targets[index as usize - 1]);
    let said = answer(&arrived, segment);
    let heard = between(&said, asked.destination, asked.source);
    Known { asked: [arrived, asked], said: [heard, said] }
}

/// Runs errors about `quoted`, each of which should become one about `expected`. How many they were.
fn assert_translated(world: &World, [quoted, expected]: &[Described; 2], head: &dyn Fn(&[Tag]) -> Vec<u8>) -> u64 {
    let v4 = quoted.source.0.is_ipv4();
    let mut messages = 0;
    for (came, becomes) in MESSAGES[usize::from(!v4)] {
        for network in networks(v4) {
            let quoted = Described { network, ..quoted.clone() };
            let (header, plain) = (quoted.header_length() + quoted.extensions_length(), expected.header_length());
            let (ip, other) = (translated::ip(&quoted, 0), translated::ip(expected, 0));
            let other = translated::crossed(other, [0; 2]);
            for behind in [8, 15, ip.len() - header] {
                for (from, tags) in [(ROUTERS[usize::from(!v4)].parse().unwrap(), TAGGINGS[0])]
                    .into_iter()
                    .chain(TAGGINGS.map(|tags| (quoted.destination.0, tags)))
                {
                    let carrying = carrier(&quoted, from, quoted.source.0, tags);
                    let frame = Message::of(came.0, came.1, ip[..header + behind].to_vec()).frame(&carrying);
                    let ran = world.edge.run(&frame).unwrap();
                    // Whoever sent it, it comes from the flow's other end.
                    let leaving = carrier(expected, expected.destination.0, expected.source.0, tags);
                    let leaving = Described { hop_limit: carrying.hop_limit - 1, ..leaving };
                    let leaves = Message::of(becomes.0, becomes.1, other[..plain + behind].to_vec()).ip(&leaving);
                    let head = head(tags);
                    let named = [ran.packet[head.len() + 4], ran.packet[head.len() + 5]];
                    let frame = [head, translated::crossed(leaves, named), carrying.pad()].concat();
                    assert_eq!(
                        (ran.action, ran.packet),
                        (Action::Tx, frame),
                        "{came:?}, {behind} bytes of {quoted:?} from {from}"
                    );
                    messages += 1;
                }
            }
        }
    }
    messages
}

#[test]
fn an_error_about_a_packet_of_either_side_reaches_its_sender_in_his_family() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    let mut messages = 0;
    for index in [indexes[0], indexes[2]] {
        let target = world.targets[index as usize - 1];
        for segment in [Segment::Data, Segment::Udp] {
            let Known { asked, said } = known(&world, index, segment);
            let to_target = |tags: &[Tag]| link(target.next_hop_mac, target.source_mac, tags, ether_type(&said[1]));
            let to_client = |_: &[Tag]| link(ROUTER_MAC, EDGE_MAC, &[], ether_type(&asked[1]));
            messages += assert_translated(&world, &said, &to_target);
            messages += assert_translated(&world, &asked, &to_client);
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Error, messages)]);
    assert_eq!(world.edge.drops().unwrap(), []);
}

#[test]
fn an_error_that_only_one_family_has_is_dropped_and_counted() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for index in [indexes[0], indexes[2]] {
        let Known { asked, said } = known(&world, index, Segment::Data);
        for [quoted, _] in [asked, said] {
            let v4 = quoted.source.0.is_ipv4();
            let message = Message::of(WITHOUT[usize::from(!v4)], [0; 4], translated::ip(&quoted, 0));
            let frame = message.frame(&carrier(&quoted, quoted.destination.0, quoted.source.0, &[]));
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Drop, frame), "{quoted:?}");
        }
    }
    assert_eq!(world.edge.drops().unwrap(), [(DropReason::OtherFamily, 4)]);
}

#[test]
fn what_was_wrong_in_a_message_before_is_still_wrong() {
    let (world, indexes) = world(Target::NAT_SOURCE);
    for index in [indexes[0], indexes[2]] {
        let Known { asked: [arrived, asked], .. } = known(&world, index, Segment::Data);
        let v4 = arrived.source.0.is_ipv4();
        let (came, _) = MESSAGES[usize::from(!v4)][1];
        let message = Message::of(came.0, came.1, translated::ip(&arrived, 0));
        let carrying = Described { padding: 0, ..carrier(&arrived, arrived.destination.0, arrived.source.0, &[]) };
        let sound = message.frame(&carrying);
        let mut broken = sound.clone();
        *broken.last_mut().unwrap() ^= 0x55;
        let checksum = 14 + asked.header_length() + 2;
        let of = |frame: &[u8]| world.edge.run(frame).unwrap().packet[checksum..][..2].to_vec();
        assert_eq!(of(&broken), of(&sound), "of what is at the end only the sender knew");
    }
}
