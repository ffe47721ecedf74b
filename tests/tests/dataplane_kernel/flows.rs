//! Pinned flows, swept and removed while they are many.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use aya::maps::{HashMap as Table, Map, MapData, PerCpuArray, PerCpuValues};
use nlb_common::address::Address;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_common::nat::Session;
use nlb_userspace::dataplane::{Dataplane, FlowTable, Kernel, Memory, PinPlace};

use crate::bench::on_the_bench;

fn place(table: FlowTable, number: u32) -> PinPlace {
    let protocol = if table == FlowTable::Established { 6 } else { 17 };
    let flow = Flow { source: Address::v4(number.to_be()), source_port: 7, protocol, ..Flow::default() };
    PinPlace { table, flow }
}

fn pin(number: u32) -> Pin {
    Pin::new(1 + number % 5, 77, number, number / 3)
}

/// So many pins of each table, as the program would have made them.
fn fill(kernel: &Kernel, established: u32, datagrams: u32) -> HashMap<PinPlace, Pin> {
    let mut all = HashMap::new();
    for (table, name, number) in
        [(FlowTable::Established, edge::ESTABLISHED, established), (FlowTable::Datagrams, edge::DATAGRAMS, datagrams)]
    {
        let map = MapData::from_pin(kernel.set_path().join(name)).unwrap();
        let map = if table == FlowTable::Established { Map::HashMap(map) } else { Map::LruHashMap(map) };
        let mut map = Table::<_, Flow, Pin>::try_from(map).unwrap();
        for number in 0..number {
            map.insert(place(table, number).flow, pin(number), 0).unwrap();
            all.insert(place(table, number), pin(number));
        }
    }
    all
}

/// A whole sweep; no pin may come twice.
fn sweep(dataplane: &mut dyn Dataplane, limit: usize, largest: usize) -> HashMap<PinPlace, Pin> {
    let (mut all, mut after) = (HashMap::new(), None);
    loop {
        let (pins, next) = dataplane.pins(after, limit).unwrap();
        assert!(pins.len() <= largest, "{} at once", pins.len());
        for (place, pin) in pins {
            assert_eq!(all.insert(place, pin), None, "{place:?} twice");
        }
        match next {
            Some(_) => after = next,
            None => return all,
        }
    }
}

#[test]
fn a_hundred_thousand_pins_are_swept_and_removed_in_batches() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let mut pins = fill(&kernel, 100_000, 500);
        let begun = Instant::now();
        assert!(sweep(&mut kernel, 1_000, 1_000) == pins);
        println!("100,500 pins swept: {:?}", begun.elapsed());
        let is_idle = |place: &PinPlace| u32::from_be(place.flow.source.0[3]).is_multiple_of(2);
        let idle: Vec<_> = pins.keys().copied().filter(is_idle).collect();
        let begun = Instant::now();
        kernel.unpin(&idle).unwrap();
        println!("{} pins removed: {:?}", idle.len(), begun.elapsed());
        pins.retain(|place, _| !is_idle(place));
        assert_eq!(pins.len(), 50_250);
        assert!(sweep(&mut kernel, 1_000, 1_000) == pins);
        // The next agent finds them.
        drop(kernel);
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        assert!(sweep(&mut kernel, 4_000, 4_000) == pins);
    });
}

#[test]
fn the_kernel_sweeps_as_its_twin_in_memory() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let mut memory = Memory::new(0);
        for limit in [1, 7, 1_000, usize::MAX] {
            for (established, datagrams) in [(0, 0), (3, 0), (0, 3), (400, 300)] {
                let pins = fill(&kernel, established, datagrams);
                memory.pinned().extend(pins.clone());
                // A bucket's pins come together, however few are wanted.
                let found = sweep(&mut kernel, limit, limit.max(16));
                assert_eq!(found, pins, "{limit}");
                assert_eq!(sweep(&mut memory, limit, limit), pins, "{limit}");
                let all: Vec<_> = pins.into_keys().collect();
                kernel.unpin(&all).unwrap();
                memory.unpin(&all).unwrap();
                assert!(sweep(&mut kernel, limit, 0).is_empty() && memory.pinned().is_empty());
            }
        }
    });
}

#[test]
fn pins_that_are_gone_are_no_obstacle_to_removing_others() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let pins = fill(&kernel, 30, 10);
        let removed: Vec<_> = (0..60).map(|number| place(FlowTable::Established, number / 2 * 3)).collect();
        kernel.unpin(&removed).unwrap();
        kernel.unpin(&[]).unwrap();
        let left: HashSet<_> = pins.keys().copied().filter(|place| !removed.contains(place)).collect();
        assert_eq!(sweep(&mut kernel, 10, 16).into_keys().collect::<HashSet<_>>(), left);
    });
}

#[test]
fn a_sweep_that_goes_on_after_another_pin_misses_none() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let pins = fill(&kernel, 500, 200);
        for stranger in [place(FlowTable::Established, 9_999), place(FlowTable::Established, 5)] {
            let (mut seen, mut after) = (HashSet::new(), Some(stranger));
            while after.is_some() {
                let (batch, next) = kernel.pins(after, 50).unwrap();
                seen.extend(batch.into_iter().map(|(place, _)| place));
                after = next;
            }
            assert_eq!(seen, pins.keys().copied().collect());
        }
    });
}

/// Translated flows with an entry for each way. The places that a sweep should tell.
fn fill_translated(kernel: &Kernel, flows: u32) -> HashMap<PinPlace, Pin> {
    let map = Map::HashMap(MapData::from_pin(kernel.set_path().join(edge::NAT_FLOWS)).unwrap());
    let mut map = Table::<_, Flow, Session>::try_from(map).unwrap();
    let remember = |number| {
        let place = place(FlowTable::Translated, number);
        let there =
            Session { pin: pin(number), peer: Flow { destination_port: 9, ..place.flow }, ..Session::default() };
        map.insert(place.flow, there, 0).unwrap();
        map.insert(there.peer, there.other_way(place.flow), 0).unwrap();
        (place, there.pin)
    };
    (0..flows).map(remember).collect()
}

#[test]
fn a_translated_flow_is_swept_once_and_goes_with_both_its_ways() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let mut all = fill(&kernel, 100, 100);
        let translated = fill_translated(&kernel, 3_000);
        all.extend(translated.clone());
        assert_eq!(sweep(&mut kernel, 100, 128), all);
        let (gone, kept): (Vec<_>, Vec<_>) =
            translated.keys().copied().partition(|place| u32::from_be(place.flow.source.0[3]).is_multiple_of(3));
        let kept: HashSet<_> = kept.into_iter().collect();
        kernel.unpin(&gone).unwrap();
        kernel.unpin(&gone).unwrap();
        all.retain(|place, _| place.table != FlowTable::Translated || kept.contains(place));
        assert_eq!(sweep(&mut kernel, 100, 128), all);
        let map = Map::HashMap(MapData::from_pin(kernel.set_path().join(edge::NAT_FLOWS)).unwrap());
        let map = Table::<_, Flow, Session>::try_from(map).unwrap();
        assert_eq!(map.keys().count(), 2 * kept.len());
        let one = kept.iter().next().unwrap();
        assert_eq!(kernel.pin_of(&one.flow).unwrap(), Some(all[one]));
    });
}

#[test]
fn what_the_tables_are_used_for_is_summed_over_cpus() {
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let none: Vec<_> = FlowEvent::ALL.iter().map(|&event| (event, 0)).collect();
        assert_eq!(kernel.flow_events().unwrap(), none);
        let map = Map::PerCpuArray(MapData::from_pin(kernel.set_path().join(edge::FLOW_EVENTS)).unwrap());
        let mut map = PerCpuArray::<_, u64>::try_from(map).unwrap();
        let cpus = aya::util::nr_cpus().unwrap();
        for event in FlowEvent::ALL {
            let values = PerCpuValues::try_from(vec![10 + *event as u64; cpus]).unwrap();
            map.set(u32::from(*event as u8), values, 0).unwrap();
        }
        let all: Vec<_> = FlowEvent::ALL.iter().map(|&event| (event, (10 + event as u64) * cpus as u64)).collect();
        assert_eq!(kernel.flow_events().unwrap(), all);
    });
}
