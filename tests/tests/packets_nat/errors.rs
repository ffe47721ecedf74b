//! Error messages about translated flows, from either side, reach whoever sent the packet.

use nlb_common::way::WayOutcome;
use nlb_tests::packets::Network;
use nlb_tests::packets::described::TAGGINGS;
use nlb_tests::packets::icmp::Message;
use nlb_tests::run::Action;

use super::*;

/// Fragmentation needed and packet too big, and time exceeded.
const ERRORS: [[(u8, u8); 2]; 2] = [[(3, 4), (11, 0)], [(2, 0), (3, 0)]];
pub(super) const ROUTERS: [&str; 2] = ["192.0.2.254", "2001:db8:ff::fe"];

fn networks(v4: bool) -> Vec<Network> {
    if v4 { vec![Network::V4 { options: 0 }, Network::V4 { options: 8 }] } else { vec![Network::V6(Vec::new())] }
}

/// What carries a message from `source` about a packet that was sent from `to`.
pub(super) fn carrier(quoted: &Described, source: IpAddr, to: IpAddr, tags: &[Tag]) -> Described {
    let network = if to.is_ipv4() { Network::V4 { options: 0 } } else { Network::V6(Vec::new()) };
    Described { source: (source, 0), destination: (to, 0), network, tags: tags.to_vec(), padding: 3, ..quoted.clone() }
}

/// Runs an error about `quoted`, which should become one about `expected`; a message's own ends change as those do.
fn assert_translated(world: &World, quoted: &Described, expected: &Described, head: &dyn Fn(&[Tag]) -> Vec<u8>) -> u64 {
    let v4 = quoted.source.0.is_ipv4();
    let router = ROUTERS[usize::from(!v4)].parse().unwrap();
    let least = quoted.header_length() + quoted.extensions_length() + 8;
    let mut messages = 0;
    for kind in ERRORS[usize::from(!v4)] {
        for length in [least, least + 7, quoted.ip().len()] {
            // A router on the way says it, or the packet's own receiver.
            for (from, becomes) in [(router, router), (quoted.destination.0, expected.destination.0)] {
                for tags in TAGGINGS {
                    let message =
                        |of: &Described| Message::of(kind, [0, 0, 5, 0x78], translated::ip(of, 0)[..length].to_vec());
                    let came = carrier(quoted, from, quoted.source.0, tags);
                    let leaves = carrier(expected, becomes, expected.source.0, tags);
                    let leaves = Described { hop_limit: came.hop_limit - 1, ..leaves };
                    let ran = world.edge.run(&message(quoted).frame(&came)).unwrap();
                    let frame = [head(tags), message(expected).ip(&leaves), came.pad()].concat();
                    assert_eq!(
                        (ran.action, ran.packet),
                        (Action::Tx, frame),
                        "{kind:?}, {length} bytes of {quoted:?} from {from}"
                    );
                    messages += 1;
                }
            }
        }
    }
    messages
}

#[test]
fn an_error_about_a_packet_of_either_side_reaches_its_sender() {
    for forwarding in [Target::NAT, Target::NAT_SOURCE] {
        let (world, indexes) = world(forwarding);
        let mut messages = 0;
        for index in [indexes[0], indexes[2]] {
            let target = world.targets[index as usize - 1];
            for network in networks(target.destination.is_v4()) {
                for segment in [Segment::Data, Segment::Udp] {
                    let asked = Described { network: network.clone(), ..request(&world, index, segment) };
                    let left = run(&world, &asked).packet;
                    let source =
                        if forwarding == Target::NAT { asked.source } else { source_in(&left, &asked, &target) };
                    let arrived = arriving(&asked, &target, source);
                    let said = answer(&arrived, segment);
                    let seen = Described { source: asked.destination, destination: asked.source, ..said.clone() };
                    let ether_type = ether_type(&asked);
                    let to_target = |tags: &[Tag]| link(target.next_hop_mac, target.source_mac, tags, ether_type);
                    let to_client = |_: &[Tag]| link(ROUTER_MAC, EDGE_MAC, &asked.tags, ether_type);
                    messages += assert_translated(&world, &seen, &said, &to_target);
                    messages += assert_translated(&world, &arrived, &asked, &to_client);
                }
            }
        }
        assert_eq!(world.edge.way_outcomes().unwrap(), [(WayOutcome::Error, messages)]);
        assert_eq!(world.edge.drops().unwrap(), []);
    }
}

#[test]
fn an_error_about_a_flow_that_is_not_remembered_passes_untouched() {
    let (world, indexes) = world(Target::NAT);
    for index in [indexes[0], indexes[2]] {
        let target = world.targets[index as usize - 1];
        let asked = request(&world, index, Segment::Data);
        let arrived = arriving(&asked, &target, asked.source);
        let v4 = asked.source.0.is_ipv4();
        for quoted in [answer(&asked, Segment::Data), arrived] {
            let message = Message::of(ERRORS[usize::from(!v4)][0], [0; 4], translated::ip(&quoted, 0));
            let router = ROUTERS[usize::from(!v4)].parse().unwrap();
            let frame = message.frame(&carrier(&quoted, router, quoted.source.0, &[]));
            let ran = world.edge.run(&frame).unwrap();
            assert_eq!((ran.action, ran.packet), (Action::Pass, frame), "{quoted:?}");
        }
    }
    assert_eq!(world.edge.way_outcomes().unwrap(), []);
}
