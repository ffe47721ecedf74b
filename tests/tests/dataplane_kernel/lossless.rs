//! Under traffic: whatever agents do, every packet is balanced and none is dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aya::maps::{Map, MapData, PerCpuArray};
use etherparse::PacketBuilder;
use nlb_common::address::Address;
use nlb_common::counters::Counters;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, Target};
use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings, Write};
use nlb_userspace::model::Capacity;

use crate::bench::{Bench, CAPACITY, FIRST, PEER, key, on_the_bench};
use crate::wire::Wire;

/// The first slot of the ring, and the first after it.
const RING: (u32, u32) = (16, 24);

/// A frame to the listener, of another flow for each number.
fn frame(number: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 9, 0, 1], [192, 0, 0, 100], 64)
        .tcp(1024 + number, 80, 1, 1000)
        .write(&mut frame, b"data")
        .unwrap();
    frame
}

/// Sends until it is told to stop; how many. Slowly enough that veth's queue of 256 never runs over.
fn traffic(over: &AtomicBool) -> u64 {
    let wire = Wire::on(PEER);
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        for number in 0..32 {
            wire.send(&frame(number));
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    sent
}

/// What all tables that there have been counted. Holds them beyond their pins.
#[derive(Default)]
struct Count {
    listeners: BTreeMap<u32, PerCpuArray<MapData, Counters>>,
    drops: BTreeMap<u32, PerCpuArray<MapData, u64>>,
}

impl Count {
    fn watch(&mut self, set: &Path) {
        let open = |pin: PathBuf| {
            let map = MapData::from_pin(pin).unwrap();
            (map.info().unwrap().id(), Map::PerCpuArray(map))
        };
        let (id, map) = open(set.join(edge::LISTENER_COUNTERS));
        self.listeners.insert(id, map.try_into().unwrap());
        let (id, map) = open(set.join(edge::DROPS));
        self.drops.insert(id, map.try_into().unwrap());
    }

    fn forwarded(&self) -> u64 {
        let packets =
            |map: &PerCpuArray<_, Counters>| map.get(&5, 0).unwrap().iter().map(|cpu| cpu.packets).sum::<u64>();
        self.listeners.values().map(packets).sum()
    }

    fn dropped(&self) -> u64 {
        let all = |map: &PerCpuArray<_, u64>| {
            (0..map.len()).map(|reason| map.get(&reason, 0).unwrap().iter().sum::<u64>()).sum::<u64>()
        };
        self.drops.values().map(all).sum()
    }
}

/// Moves all flows to another target and removes the one before.
fn move_to(index: u32, before: Option<u32>) -> Vec<Write> {
    let interface = nix::net::if_::if_nametoindex(FIRST).unwrap();
    let value = Target {
        tag: index.into(),
        destination: Address::v4(0x0200_090a),
        source: Address::v4(0x0300_090a),
        interface,
        mtu: 1500,
        flags: Target::READY,
        ..Target::default()
    };
    let mut writes = vec![
        Write::Target { index, value, fresh: true },
        Write::Slots((RING.0..RING.1).map(|slot| (slot, Slot::closed(index, 0))).collect()),
    ];
    writes.extend(before.map(Write::RemoveTarget));
    writes
}

fn fill() -> Vec<Write> {
    let group = Group { tag: 1, first_slot: RING.0, slot_mask: RING.1 - RING.0 - 1, ..Group::default() };
    let listener = Listener { counters: 5, group: 3, ..Listener::default() };
    let mut writes = move_to(1, None);
    writes.push(Write::Group { index: 3, value: group });
    writes.push(Write::Listener { key: key(80), value: listener, fresh: false });
    writes
}

#[test]
fn no_packet_is_lost_or_unbalanced_while_agents_come_and_tables_change() {
    on_the_bench(|bench: &Bench| {
        let mut count = Count::default();
        let open = |slots, count: &mut Count| {
            let capacity = Capacity { slots, ..CAPACITY };
            let mut kernel = Kernel::open(&KernelSettings { capacity, ..bench.settings() }).unwrap();
            count.watch(&kernel.set_path());
            if kernel.read().unwrap().listeners.is_empty() {
                kernel.apply(&fill()).unwrap();
            }
            kernel.activate().unwrap();
            kernel
        };
        drop(open(1024, &mut count));

        let over = AtomicBool::new(false);
        let sent = std::thread::scope(|scope| {
            let traffic = scope.spawn(|| traffic(&over));
            // Each size twice: the tables move, then they are adopted.
            for slots in [1024, 2048, 2048, 1024, 1024] {
                let mut kernel = open(slots, &mut count);
                let mut current = *kernel.read().unwrap().targets.keys().next().unwrap();
                for _ in 0..4 {
                    let next = current % 60 + 1;
                    kernel.apply(&move_to(next, Some(current))).unwrap();
                    current = next;
                }
                let lines = kernel.trace(Some(Flow::default())).unwrap();
                kernel.trace(None).unwrap();
                drop(lines);
            }
            over.store(true, Ordering::Relaxed);
            traffic.join().unwrap()
        });

        // The last packets may be on their way still.
        let end = Instant::now() + Duration::from_secs(5);
        while count.forwarded() + count.dropped() < sent && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((count.forwarded(), count.dropped()), (sent, 0));
        assert!(sent > 1000, "{sent} packets prove little");
    });
}
