//! The bits of addresses that packets may concern the edge by are those of the tables, whatever was written, and whoever comes after.

use std::collections::BTreeSet;

use aya::maps::{Array, Map, MapData};
use nlb_common::address::Address;
use nlb_common::known::{Place, WORDS};
use nlb_common::layout::edge;
use nlb_common::tables::{Listener, ListenerKey, Target, Vip};
use nlb_userspace::dataplane::{Dataplane as _, Kernel, Memory, Tables, Write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bench::{CAPACITY, on_the_bench};

/// Few addresses, so that several entries have the same one, and VIPs and targets too.
fn address() -> impl Strategy<Value = Address> {
    (0..6_u32).prop_map(Address::v4)
}

fn write() -> impl Strategy<Value = Write> {
    let forwarding = prop::sample::select(vec![Target::IPIP, Target::GUE, Target::L2, Target::NAT, Target::NAT_SOURCE]);
    let target = (1..6_u32, address(), forwarding).prop_map(|(index, destination, forwarding)| {
        let value = Target { tag: 1, destination, flags: Target::READY | forwarding, ..Target::default() };
        Write::Target { index, value, fresh: false }
    });
    prop_oneof![
        3 => target,
        2 => (1..6_u32).prop_map(Write::RemoveTarget),
        2 => address().prop_map(|address| Write::Vip { address, value: Vip::default() }),
        2 => address().prop_map(Write::RemoveVip),
        1 => (0..2_u32).prop_map(|number| {
            let value = Listener { counters: number, ..Listener::default() };
            Write::Listener { key: gateway(number), value, fresh: false }
        }),
        2 => (0..2_u32).prop_map(|number| Write::RemoveListener(gateway(number))),
        1 => address().prop_map(Write::Shield),
        1 => address().prop_map(Write::Unshield),
    ]
}

fn gateway(number: u32) -> ListenerKey {
    ListenerKey::of_network(Address::v4(number), 112)
}

/// What the tables ask for: with a gateway, a bit for whatever address there may be.
fn expected(tables: &Tables) -> BTreeSet<Place> {
    if tables.listeners.keys().any(ListenerKey::is_gateway) {
        return (0..WORDS).flat_map(|word| bits(word, u64::MAX)).collect();
    }
    let translated = tables.targets.values().filter(|target| target.flags & Target::FORWARDING >= Target::NAT);
    let translated = translated.map(|target| &target.destination);
    tables.vips.keys().chain(&tables.shielded).chain(translated).map(Place::of).collect()
}

/// What stands in the kernel.
fn found(kernel: &Kernel) -> BTreeSet<Place> {
    let map = Map::Array(MapData::from_pin(kernel.set_path().join(edge::KNOWN)).unwrap());
    let words = Array::<_, u64>::try_from(map).unwrap();
    (0..WORDS).flat_map(|word| bits(word, words.get(&word, 0).unwrap())).collect()
}

/// The bits of a word.
fn bits(word: u32, bits: u64) -> impl Iterator<Item = Place> {
    (0..u64::BITS).map(|number| 1 << number).filter(move |bit| bits & bit != 0).map(move |bit| Place { word, bit })
}

#[test]
fn an_address_has_its_bit_as_long_as_anybody_has_the_address() {
    on_the_bench(|bench| {
        let mut memory = Memory::new(usize::try_from(CAPACITY.slots).unwrap());
        let kernel = std::cell::RefCell::new(Some(Kernel::open(&bench.settings()).unwrap()));
        let memory = std::cell::RefCell::new(&mut memory);
        let config = Config { cases: 32, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&(prop::collection::vec(write(), 1..12), 0..10_u8), |(batch, next)| {
                let (mut kernel, mut memory) = (kernel.borrow_mut(), memory.borrow_mut());
                let mut serving = kernel.take().unwrap();
                if next == 0 {
                    // Another agent, that begins with what it finds.
                    drop(serving);
                    serving = Kernel::open(&bench.settings()).unwrap();
                    prop_assert_eq!(serving.read().unwrap(), memory.read().unwrap());
                }
                serving.apply(&batch).unwrap();
                memory.apply(&batch).unwrap();
                prop_assert_eq!(found(&serving), expected(&memory.read().unwrap()));
                *kernel = Some(serving);
                Ok(())
            })
            .unwrap();
    });
}
