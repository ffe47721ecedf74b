//! Drivers give different room before a packet: what has none for the outer header is dropped, and counted as that.

use nlb_common::drop_reason::DropReason;
use nlb_tests::packets::shim::{PACKET, Shim};
use nlb_tests::packets::world::{VIPS, port};
use nlb_tests::packets::{Described, Segment, World};

const ABORTED: u32 = 0;
const DROP: u32 = 1;
const TX: u32 = 3;

#[test]
fn a_packet_without_room_for_its_outer_header_is_dropped_and_counted() {
    let world = World::new().unwrap();
    let frame = |index| {
        let packet = Described::new(VIPS[0].parse().unwrap(), port(index), Segment::Data);
        let room = PACKET + packet.payload - packet.frame().len();
        <[u8; PACKET]>::try_from(Described { payload: room, ..packet }.frame()).unwrap()
    };
    let run = |index, used| Shim::before(world.edge.program().unwrap(), used).unwrap().run(&frame(index)).unwrap();
    // Part of the headroom is the kernel's own; how much depends on its version.
    let all = (0..=u8::MAX).rev().find(|used| run(1, *used) != ABORTED).unwrap();
    let mut dropped = 0;
    for (index, outer) in [(1, 20), (3, 40)] {
        for left in (0..=all).filter(|left| *left < 64 || left % 16 == 0) {
            let expected = if left < outer { DROP } else { TX };
            assert_eq!(run(index, all - left), expected, "{left} bytes left for {outer}");
            dropped += u64::from(left < outer);
        }
    }
    let counted = world.edge.drops().unwrap();
    // Looking for all the headroom ran into the drop once as well.
    assert_eq!(counted, [(DropReason::NoHeadroom, dropped + 1)]);
    let forwarded = world.edge.target_counters(1).unwrap().packets + world.edge.target_counters(3).unwrap().packets;
    let tried = 2 * (0..=all).filter(|left| *left < 64 || left % 16 == 0).count() as u64;
    assert_eq!(forwarded, tried - dropped);
}
