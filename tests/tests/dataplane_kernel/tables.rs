//! What is written is what is read, as in the twin in memory; counters begin at zero.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use aya::maps::{Array, Map, MapData, PerCpuArray, PerCpuValues};
use ipnet::IpNet;
use nlb_common::active::{Cell, LEVELS, Row, Sketch, row};
use nlb_common::address::Address;
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::guard::Guard;
use nlb_common::layout::edge;
use nlb_common::quic::{ServerId, ServerKey};
use nlb_common::ranges::RangesKey;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};
use nlb_userspace::dataplane::{
    Dataplane, DataplaneError, Kernel, KernelError, KernelSettings, Memory, SketchOf, Tables, Write,
};
use nlb_userspace::model::{AccessList, Capacity, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bench::{CAPACITY, contents, key, on_the_bench};

fn target() -> impl Strategy<Value = Target> {
    (1..4_u64, any::<([u32; 4], u32, [u8; 6], [u8; 6])>(), any::<(u16, bool, u8, u16)>()).prop_map(
        |(tag, (source, interface, next_hop_mac, source_mac), (mtu, ready, source_bits, port))| Target {
            tag,
            destination: Address::v4(u32::try_from(tag).unwrap()),
            source: Address(source),
            interface,
            next_hop_mac,
            source_mac,
            mtu,
            flags: u8::from(ready) * Target::READY,
            source_bits,
            port,
            padding: 0,
        },
    )
}

fn access() -> impl Strategy<Value = Arc<AccessList>> {
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| IpNet::new(Ipv4Addr::from(bits).into(), length));
    let v6 = (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| IpNet::new(Ipv6Addr::from(bits).into(), length));
    let network = prop_oneof![v4, v6].prop_map(|network| network.unwrap().trunc());
    let verdict = || prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)];
    (verdict(), prop::collection::btree_map(network, verdict(), 0..20))
        .prop_map(|(otherwise, networks)| Arc::new(AccessList::new(otherwise, networks)))
}

fn vip() -> impl Strategy<Value = Address> {
    (0..CAPACITY.listeners).prop_map(Address::v4)
}

/// A gateway's network, one of a few.
fn gateway() -> impl Strategy<Value = ListenerKey> {
    (0..4_u32, 0..=32_u8).prop_map(|(host, length)| {
        let network = IpNet::new(Ipv4Addr::from(0x0a00_0000 | host).into(), length).unwrap();
        ListenerKey::of_network(network.network().into(), 96 + length)
    })
}

fn write() -> impl Strategy<Value = Write> {
    let targets = 0..=CAPACITY.targets;
    let groups = 0..CAPACITY.groups;
    let slot = (0..CAPACITY.slots, any::<u64>().prop_map(Slot));
    let group = (1..4_u64, 0..CAPACITY.slots - 64, 0..6_u32, 0..2_u8).prop_map(|(tag, first_slot, size, affinity)| {
        Group { tag, first_slot, slot_mask: (1 << size) - 1, affinity, ..Group::default() }
    });
    let listener = (0..CAPACITY.listeners, 0..CAPACITY.groups, group.clone(), any::<u32>()).prop_map(
        |(counters, index, group, sketch)| {
            // A guard goes with the counters.
            let guard = Guard::from_words([u64::from(counters % 3), u64::from(counters % 2)]);
            let server_id_length = u8::try_from(counters % 16).unwrap();
            Listener { sketch, guard, server_id_length, ..Listener::new(counters, index, &group) }
        },
    );
    // Such a listener's sketch goes with its counters.
    let range = listener.clone().prop_map(|listener| Listener { sketch: listener.counters, ..listener });
    prop_oneof![
        3 => (targets.clone(), target(), any::<bool>())
            .prop_map(|(index, value, fresh)| Write::Target { index, value, fresh }),
        3 => prop::collection::vec(slot, 0..64).prop_map(Write::Slots),
        2 => (groups.clone(), group).prop_map(|(index, value)| Write::Group { index, value }),
        2 => (0..8_u16, listener.clone(), any::<bool>())
            .prop_map(|(port, value, fresh)| Write::Listener { key: key(port), value, fresh }),
        1 => (0..8_u16).prop_map(|port| Write::RemoveListener(key(port))),
        2 => (gateway(), listener.clone(), any::<u64>(), any::<bool>()).prop_map(|(key, value, endpoint, fresh)| {
            Write::Listener { key, value: Listener { endpoint, ..value }, fresh }
        }),
        1 => gateway().prop_map(Write::RemoveListener),
        2 => (1..4_u32, access()).prop_map(|(number, list)| Write::AccessList { number, list }),
        1 => (1..4_u32).prop_map(Write::RemoveAccessList),
        2 => (0..3_u8, prop::collection::btree_map((1..9_u16, 1..9_u16), range, 0..9), any::<bool>()).prop_map(ranges),
        1 => (vip(), any::<u32>()).prop_map(|(address, flags)| Write::Vip { address, value: Vip { flags } }),
        1 => vip().prop_map(Write::RemoveVip),
        2 => (server(), any::<u32>()).prop_map(|(key, target)| Write::QuicServer { key, target }),
        1 => server().prop_map(Write::RemoveQuicServer),
        1 => groups.prop_map(Write::RemoveGroup),
        1 => targets.prop_map(Write::RemoveTarget),
    ]
}

/// Few, so that some are written twice and some are removed.
fn server() -> impl Strategy<Value = ServerKey> {
    (0..3_u32, 0..3_u8).prop_map(|(listener, id)| ServerKey::new(listener, ServerId::new(id, &[id])))
}

fn ranges((host, listeners, fresh): (u8, BTreeMap<(u16, u16), Listener>, bool)) -> Write {
    let key = |(first, more)| ListenerKey::of_ports(Address::v4(host.into()), 6, first, first + more);
    let listeners: BTreeMap<_, _> = listeners.into_iter().map(|(ports, listener)| (key(ports), listener)).collect();
    let fresh = listeners.values().filter(|_| fresh).map(|listener| listener.counters).collect();
    let listeners = listeners.into_iter().collect();
    Write::Ranges { key: RangesKey { address: Address::v4(host.into()), protocol: 6 }, listeners, fresh }
}

#[test]
fn any_writes_leave_the_kernel_as_its_twin_in_memory() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let mut memory = Memory::new(usize::try_from(CAPACITY.slots).unwrap());
        // One history of many cases: each goes on where the last one ended.
        let mut runner =
            TestRunner::new(Config { cases: 128, max_shrink_iters: 0, failure_persistence: None, ..Config::default() });
        let batches = prop::collection::vec(write(), 1..24);
        let kernel = std::cell::RefCell::new(&mut kernel);
        let memory = std::cell::RefCell::new(&mut memory);
        runner
            .run(&batches, |batch| {
                let (mut kernel, mut memory) = (kernel.borrow_mut(), memory.borrow_mut());
                kernel.apply(&batch).unwrap();
                memory.apply(&batch).unwrap();
                prop_assert_eq!(kernel.read().unwrap(), memory.read().unwrap());
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn new_tables_are_empty() {
    on_the_bench(|bench| {
        assert_eq!(Kernel::open(&bench.settings()).unwrap().read().unwrap(), Tables::default());
    });
}

#[test]
fn the_last_index_of_each_table_holds_and_the_next_is_refused() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let target = |index| Write::Target { index, value: Target { tag: 1, ..Target::default() }, fresh: true };
        let slots = |index| Write::Slots(vec![(index, Slot::closed(1, 0))]);
        let group = |index| Write::Group { index, value: Group { tag: 1, ..Group::default() } };
        let listener = |counters| Write::Listener {
            key: key(1),
            value: Listener { counters, ..Listener::default() },
            fresh: true,
        };
        let Capacity { listeners, groups, targets, slots: room, .. } = CAPACITY;
        let cases: [(&str, Write, Write); 4] = [
            ("targets", target(targets), target(targets + 1)),
            ("slots", slots(room - 1), slots(room)),
            ("groups", group(groups - 1), group(groups)),
            ("listeners", listener(listeners - 1), listener(listeners)),
        ];
        for (what, last, beyond) in cases {
            kernel.apply(&[last]).unwrap_or_else(|error| panic!("{what}: {error}"));
            let error = kernel.apply(&[beyond]).expect_err(what);
            if what != "listeners" {
                assert!(error.to_string().contains(&format!("agent.capacity.{what}")), "{error}");
            }
        }
    });
}

#[test]
fn more_listeners_than_there_is_room_for_are_refused_with_the_setting_named() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let listener = |port| Write::Listener { key: key(port), value: Listener::default(), fresh: false };
        let most = u16::try_from(CAPACITY.listeners).unwrap();
        kernel.apply(&(0..most).map(listener).collect::<Vec<_>>()).unwrap();
        let error = kernel.apply(&[listener(most)]).unwrap_err();
        assert!(matches!(error, DataplaneError::Kernel(KernelError::Crowded { .. })), "{error}");
        assert!(error.to_string().contains("agent.capacity.listeners"), "{error}");
    });
}

#[test]
fn an_entry_begins_to_count_at_zero_only_when_it_is_fresh() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        kernel.apply(&contents()).unwrap();
        let cpus = aya::util::nr_cpus().unwrap();
        let counted = Counters { packets: 3, bytes: 300, new_flows: 1 };
        let count = |table: &str, index| {
            let map = Map::PerCpuArray(MapData::from_pin(kernel.set_path().join(table)).unwrap());
            let mut map = PerCpuArray::<_, Counters>::try_from(map).unwrap();
            map.set(index, PerCpuValues::try_from(vec![counted; cpus]).unwrap(), 0).unwrap();
        };
        count(edge::TARGET_COUNTERS, 1);
        count(edge::LISTENER_COUNTERS, 5);
        let mut all = Counters::default();
        (0..cpus).for_each(|_| all += counted);

        let writes = |fresh| {
            let write = |write: Write| match write {
                Write::Target { index, value, .. } => Write::Target { index, value, fresh },
                Write::Listener { key, value, .. } => Write::Listener { key, value, fresh },
                other => other,
            };
            contents().into_iter().map(write).collect::<Vec<_>>()
        };
        for (fresh, expected) in [(false, all), (true, Counters::default())] {
            kernel.apply(&writes(fresh)).unwrap();
            let reading = kernel.counters(&[5], &[1, 2]).unwrap();
            assert_eq!(reading.targets, [(1, expected), (2, Counters::default())].into());
            assert_eq!(reading.listeners, [(5, expected)].into());
            assert_eq!(reading.drops, DropReason::ALL.iter().map(|&reason| (reason, 0)).collect::<Vec<_>>());
        }
    });
}

/// Sets the cells of a sketch, as packets do.
fn mark(kernel: &Kernel, table: &str, index: u32, mut marks: Sketch) {
    let map = Map::Array(MapData::from_pin(kernel.set_path().join(table)).unwrap());
    let mut rows = Array::<_, Row>::try_from(map).unwrap();
    let sketches = rows.len() / LEVELS;
    for (block, marks) in (0..).zip(marks.rows_mut()) {
        rows.set(row(sketches, index, block), Row::try_from(&*marks).unwrap(), 0).unwrap();
    }
}

#[test]
fn a_sketch_is_looked_at_taken_once_and_empty_for_a_fresh_owner() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        kernel.apply(&contents()).unwrap();
        let mut marks = Sketch::EMPTY;
        (0..100).for_each(|hash| marks.set(Cell::of(hash << 50 | hash << 40)));
        let all = [
            (edge::TARGET_FLOWS, SketchOf::Target(1), 1),
            (edge::TARGET_FLOWS, SketchOf::Target(CAPACITY.sketches), CAPACITY.sketches),
            (edge::LISTENER_FLOWS, SketchOf::Listener(6), 6),
        ];
        for (table, of, index) in all {
            mark(&kernel, table, index, marks);
            for take in [false, true] {
                assert_eq!(kernel.sketch(of, take).unwrap(), Some(Box::new(marks)), "{of:?}");
            }
            assert_eq!(kernel.sketch(of, false).unwrap(), Some(Box::new(Sketch::EMPTY)), "{of:?}");
        }
        for beyond in [SketchOf::Target(CAPACITY.sketches + 1), SketchOf::Listener(Listener::NO_SKETCH)] {
            assert_eq!(kernel.sketch(beyond, true).unwrap(), None, "{beyond:?}");
        }
        for (table, _, index) in all {
            mark(&kernel, table, index, marks);
        }
        kernel.apply(&contents()).unwrap();
        let left = all.map(|(_, of, _)| !kernel.sketch(of, false).unwrap().unwrap().is_empty());
        assert_eq!(left, [false, true, false], "those that belong to somebody else now are empty");
    });
}

/// Prints what DESIGN calls for a number: `cargo test -p nlb-tests --test dataplane_kernel measured -- --nocapture`.
#[test]
fn measured_at_the_default_capacity() {
    on_the_bench(|bench| {
        let settings = KernelSettings { capacity: Capacity::default(), ..bench.settings() };
        let timed = |what: &str, step: &mut dyn FnMut()| {
            let begun = Instant::now();
            step();
            println!("{what}: {:?}", begun.elapsed());
        };
        let mut kernel = None;
        timed("open, new tables", &mut || kernel = Some(Kernel::open(&settings).unwrap()));
        let mut kernel = kernel.unwrap();
        let slots = |current| Write::Slots((0..65_536).map(|slot| (slot, Slot::closed(current, 0))).collect());
        for current in [1, 2] {
            let write = slots(current);
            timed("65,536 slots", &mut || kernel.apply(std::slice::from_ref(&write)).unwrap());
        }
        let group = Group { tag: 1, slot_mask: 65_535, ..Group::default() };
        kernel.apply(&[Write::Group { index: 0, value: group }]).unwrap();
        timed("read", &mut || assert_eq!(kernel.read().unwrap().rings[&0].len(), 65_536));
        timed("sweep, no pins", &mut || assert_eq!(kernel.pins(None, 1_000).unwrap(), (vec![], None)));
        let of = |index: u32| [SketchOf::Target(index), SketchOf::Listener(index)];
        timed("2,000 sketches", &mut || {
            (1..=1_000).flat_map(of).for_each(|of| drop(kernel.sketch(of, true).unwrap()));
        });
        timed("a target removed", &mut || kernel.apply(&[Write::RemoveTarget(1)]).unwrap());
        timed("activate", &mut || kernel.activate().unwrap());
        drop(kernel);
        timed("open, tables adopted", &mut || drop(Kernel::open(&settings).unwrap()));
    });
}

/// How long it takes is printed.
#[test]
fn a_list_of_a_hundred_thousand_networks_is_found_by_the_next_agent_and_goes_whole() {
    on_the_bench(|bench| {
        let networks = (0..100_000_u32).map(|number| {
            // Hosts, and networks of 2 to 256 of them, each beside the next.
            let length = 32 - u8::try_from(number % 9).unwrap();
            let network = IpNet::new(Ipv4Addr::from(0x0a00_0000 + (number << 8)).into(), length).unwrap();
            (network, if number % 2 == 0 { Verdict::Deny } else { Verdict::Allow })
        });
        let list = Arc::new(AccessList::new(Verdict::Allow, networks.collect()));
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let begin = Instant::now();
        kernel.apply(&[Write::AccessList { number: 1, list: Arc::clone(&list) }]).unwrap();
        println!("written in {:.0?}", begin.elapsed());
        drop(kernel);
        let begin = Instant::now();
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        println!("found with all tables in {:.0?}", begin.elapsed());
        assert_eq!(kernel.read().unwrap().access, [(1, list)].into());
        let begin = Instant::now();
        kernel.apply(&[Write::RemoveAccessList(1)]).unwrap();
        println!("removed in {:.0?}", begin.elapsed());
        drop(kernel);
        assert!(Kernel::open(&bench.settings()).unwrap().read().unwrap().access.is_empty());
    });
}
