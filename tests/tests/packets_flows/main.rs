//! Flows of slots in transition: the promises of the flow tables, held against the program in the kernel and its real maps.

mod histories;
mod resets;
mod rules;
mod tables;

use std::net::{IpAddr, Ipv4Addr};

use nlb_common::address::Address;
use nlb_common::tables::Target;
use nlb_tests::packets::{World, world};
use nlb_tests::run::Edge;

/// A target whose packets show which one it is.
fn target(index: u32) -> Target {
    let last = u8::try_from(index).expect("few targets");
    let destination = Address::from(IpAddr::from(Ipv4Addr::new(10, 0, 1, last)));
    Target { destination, tag: 0x7a67 + u64::from(index), ..world::target(1) }
}

/// A world of such targets.
fn world_around(edge: Edge) -> World {
    let mut world = World::around(edge).unwrap();
    for index in 1..=4 {
        world.targets[index as usize - 1] = target(index);
        world.edge.set_target(index, target(index)).unwrap();
    }
    world
}

fn new_world() -> World {
    world_around(Edge::load(world::SEED).unwrap())
}
