//! Tables of packets for targets on the edge's own segment: the frame's addresses change, and nothing else does.

use std::net::IpAddr;

use nlb_common::counters::Counters;
use nlb_common::tables::Target;
use nlb_tests::packets::described::{TAGGINGS, networks};
use nlb_tests::packets::world::{VIPS, WAYS, port, target};
use nlb_tests::packets::{Described, Network, Segment, World};
use nlb_tests::run::{Action, INGRESS};

fn by_l2(way: u32) -> Target {
    let target = target(way);
    Target { flags: target.flags | Target::L2, ..target }
}

fn vip(network: &Network) -> IpAddr {
    VIPS[usize::from(matches!(network, Network::V6(_)))].parse().unwrap()
}

#[test]
fn every_combination_of_headers_is_sent_on_as_it_came_in_a_frame_to_the_target() {
    let mut world = World::new().unwrap();
    for way in 1..=4 {
        let index = world.add(by_l2(way)).unwrap();
        let action = if WAYS[way as usize - 1].1 == INGRESS { Action::Tx } else { Action::Redirect };
        let mut expected = Counters::default();
        for network in networks(4) {
            for tags in TAGGINGS {
                for segment in Segment::ALL {
                    let packet = Described {
                        tags: tags.to_vec(),
                        network: network.clone(),
                        padding: 6,
                        traffic_class: 0xb9,
                        ..Described::new(vip(&network), port(index), segment)
                    };
                    let ran = world.edge.run(&packet.frame()).unwrap();
                    let frame = world.tunnel(&packet, index).frame(tags, &packet.ip(), &packet.pad());
                    assert_eq!((ran.action, ran.packet), (action, frame), "{packet:?} to {index}");
                    expected.packets += 1;
                    expected.bytes += packet.ip().len() as u64;
                    expected.new_flows += u64::from(segment.opens());
                }
            }
        }
        assert_eq!(world.edge.target_counters(index).unwrap(), expected);
    }
    assert_eq!(world.edge.drops().unwrap(), []);
}
