//! Under traffic: whatever agents do, every packet is balanced and none is dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aya::maps::{Array, Map, MapData, PerCpuArray};
use etherparse::PacketBuilder;
use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::counters::Counters;
use nlb_common::guard::Guard;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_common::listener::{Entry, Key, entries_for, shift_of};
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings, Write};
use nlb_userspace::model::{AccessList, Capacity, Verdict};

use crate::bench::{Bench, CAPACITY, FIRST, PEER, everything, key, on_the_bench};
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

    /// Waits for the last packets, which may be on their way still.
    fn assert_all_forwarded(&self, sent: u64) {
        let end = Instant::now() + Duration::from_secs(5);
        while self.forwarded() + self.dropped() < sent && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((self.forwarded(), self.dropped()), (sent, 0));
        assert!(sent > 1000, "{sent} packets prove little");
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
    let listener = Listener::new(5, 3, &group);
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
                let captures = kernel.capture(Some(everything())).unwrap();
                kernel.trace(None).unwrap();
                kernel.capture(None).unwrap();
                drop((lines, captures));
            }
            over.store(true, Ordering::Relaxed);
            traffic.join().unwrap()
        });

        count.assert_all_forwarded(sent);
    });
}

/// The shift that belongs to the listener table of the bench.
const SHIFT: u32 = shift_of(entries_for(CAPACITY.listeners));

/// A listener whose first place is `place`.
fn first_at(place: u32) -> ListenerKey {
    let mut keys = (1000..u16::MAX).map(key);
    keys.find(|key| Key::from(key).places(SHIFT).first() == place).expect("16 keys for each place")
}

/// Where the frames' listener stands.
fn place(set: &Path) -> u32 {
    let map = Map::Array(MapData::from_pin(set.join(edge::LISTENERS)).unwrap());
    let table = Array::<_, Entry>::try_from(map).unwrap();
    let places = Key::from(&key(80)).places(SHIFT);
    let stands = |place: &u32| table.get(place, 0).unwrap().listener().is_some_and(|(found, _)| found == key(80));
    let found: Vec<_> = [places.first(), places.second()].into_iter().filter(stands).collect();
    assert_eq!(found.len(), 1, "at one of its places");
    found[0]
}

#[test]
fn no_packet_misses_a_listener_that_makes_room_for_others() {
    on_the_bench(|bench: &Bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let set = kernel.set_path();
        let mut count = Count::default();
        count.watch(&set);
        kernel.apply(&fill()).unwrap();
        kernel.activate().unwrap();
        let group = kernel.read().unwrap().groups[&3];

        let over = AtomicBool::new(false);
        let sent = std::thread::scope(|scope| {
            let traffic = scope.spawn(|| traffic(&over));
            for _ in 0..60 {
                // Somebody wants its place, and has the other one taken.
                let before = place(&set);
                let wants = first_at(before);
                let takes = first_at(Key::from(&wants).places(SHIFT).second());
                for (key, counters) in [(takes, 6), (wants, 7)] {
                    let value = Listener::new(counters, 3, &group);
                    kernel.apply(&[Write::Listener { key, value, fresh: false }]).unwrap();
                }
                assert_ne!(place(&set), before, "it has made room");
                assert_eq!(kernel.read().unwrap().listeners.len(), 3);
                kernel.apply(&[Write::RemoveListener(takes), Write::RemoveListener(wants)]).unwrap();
            }
            over.store(true, Ordering::Relaxed);
            traffic.join().unwrap()
        });
        count.assert_all_forwarded(sent);
    });
}

/// A list that lets the frames' source in, and that is otherwise another one for each number.
fn access(number: u8) -> Arc<AccessList> {
    let source = [(IpNet::new([10, 9, 0, 0].into(), 16).unwrap(), Verdict::Allow)];
    let others = (0..200).map(|other| (IpNet::new([10, 10, number, other].into(), 32).unwrap(), Verdict::Deny));
    Arc::new(AccessList::new(Verdict::Deny, source.into_iter().chain(others).collect()))
}

#[test]
fn no_packet_is_dropped_while_its_listeners_access_list_is_replaced() {
    on_the_bench(|bench: &Bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let mut count = Count::default();
        count.watch(&kernel.set_path());
        kernel.apply(&fill()).unwrap();
        kernel.activate().unwrap();
        let plain = kernel.read().unwrap().listeners[&key(80)];

        let over = AtomicBool::new(false);
        let sent = std::thread::scope(|scope| {
            let traffic = scope.spawn(|| traffic(&over));
            for step in 0..60_u32 {
                // No list, one, another, none: numbers are given out again.
                let (before, number) = (step % 3, (step + 1) % 3);
                let guard = Guard { access: number, ..Guard::NONE };
                let list = access(u8::try_from(step).unwrap());
                let written = (number > 0).then_some(Write::AccessList { number, list });
                let named = Write::Listener { key: key(80), value: Listener { guard, ..plain }, fresh: false };
                let removed = (before > 0).then_some(Write::RemoveAccessList(before));
                let writes: Vec<_> = written.into_iter().chain([named]).chain(removed).collect();
                kernel.apply(&writes).unwrap();
                assert_eq!(kernel.read().unwrap().access.len(), usize::from(number > 0));
            }
            over.store(true, Ordering::Relaxed);
            traffic.join().unwrap()
        });
        count.assert_all_forwarded(sent);
    });
}

#[test]
fn a_listener_that_was_on_its_way_when_its_agent_died_stands_at_one_place_afterwards() {
    on_the_bench(|bench: &Bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        kernel.apply(&fill()).unwrap();
        kernel.activate().unwrap();
        let (set, before) = (kernel.set_path(), kernel.read().unwrap());
        drop(kernel);
        // As the agent leaves it between writing the new place and emptying the old one.
        let mut table =
            Array::<_, Entry>::try_from(Map::Array(MapData::from_pin(set.join(edge::LISTENERS)).unwrap())).unwrap();
        let places = Key::from(&key(80)).places(SHIFT);
        let entry = Entry::new(&key(80), &before.listeners[&key(80)]);
        for place in [places.first(), places.second()] {
            table.set(place, entry, 0).unwrap();
        }
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        assert_eq!(place(&set), places.first());
        assert_eq!(kernel.read().unwrap(), before);
        kernel.apply(&[Write::RemoveListener(key(80))]).unwrap();
        assert!(kernel.read().unwrap().listeners.is_empty());
    });
}
