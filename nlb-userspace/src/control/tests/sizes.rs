//! Flows while their group's ring gets another size, with the packet path's rules in a few lines.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::dataplane::PinPlace;

const TARGETS: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
const FLOWS: u16 = 400;
const SMALL: &str = "ring_size = 256";
const LARGE: &str = "ring_size = 1024";

/// Open connections, and the target that each has to stay on.
struct Flows(BTreeMap<u16, (PinPlace, u32)>);

impl Flows {
    /// They begin, each where new flows go.
    fn begin(bench: &mut Bench) -> Self {
        let begin = |port| {
            let place = bench.pin(port, 0);
            let current = bench.slot_of(place).1.current();
            bench.memory.pinned().retain(|(known, _)| *known != place);
            (port, (place, current))
        };
        Self((1..=FLOWS).map(begin).collect())
    }

    /// Each sends a packet, which goes where it has to.
    fn send(&self, bench: &mut Bench, when: &str) {
        for (&port, &(place, home)) in &self.0 {
            let slot = bench.slot_of(place).1;
            let pin = bench.memory.pinned().iter().find(|(known, _)| *known == place).map(|(_, pin)| pin.target);
            let target = match pin {
                Some(_) if slot.is_steady() => slot.current(),
                Some(pinned) => pinned,
                None if slot.is_open() => slot.previous(),
                None => slot.current(),
            };
            assert_eq!(target, home, "{when}: flow {port} of {slot:?}, pinned to {pin:?}");
            match pin {
                Some(_) => bench.packet(place),
                None if slot.is_open() && slot.current() != home => drop(bench.pin(port, home)),
                None => {}
            }
        }
    }

    /// Time passes, and they go on.
    fn live(&self, bench: &mut Bench, seconds: u64, when: &str) {
        for _ in 0..seconds.div_ceil(50) {
            bench.pass(50);
            self.send(bench, when);
        }
    }
}

#[test]
fn no_flow_moves_when_a_ring_grows() {
    let mut bench = Bench::new(SMALL, &TARGETS);
    let flows = Flows::begin(&mut bench);
    bench.reload(LARGE, &TARGETS);
    assert_eq!((bench.slots().len(), bench.tables.rings.len()), (1024, 1));
    assert!(bench.open() > 0, "the larger ring is shared out otherwise");
    flows.send(&mut bench, "after the change");
    flows.live(&mut bench, 600, "later");
    assert_eq!(bench.open(), 0);
}

#[test]
fn a_ring_grows_in_the_middle_of_a_transition() {
    let mut bench = Bench::new(SMALL, &TARGETS);
    let flows = Flows::begin(&mut bench);
    bench.change(&Change::Drain { target: key(TARGETS[2]) }).unwrap();
    flows.send(&mut bench, "after the drain");
    bench.pass(100);
    bench.reload(LARGE, &TARGETS);
    flows.send(&mut bench, "after the change");
    flows.live(&mut bench, 100, "in the transition");
}

#[test]
fn no_flow_moves_when_a_ring_shrinks_which_takes_a_transition() {
    let mut bench = Bench::new(LARGE, &TARGETS);
    let flows = Flows::begin(&mut bench);
    bench.reload(SMALL, &TARGETS);
    let new_flows = |bench: &Bench| bench.slots().iter().map(|slot| slot.current()).collect::<Vec<_>>();
    let first = new_flows(&bench);
    assert_eq!(first.len(), 1024);
    flows.send(&mut bench, "after the change");
    flows.live(&mut bench, 300, "in the transition");
    assert_eq!(bench.slots().len(), 1024);
    flows.live(&mut bench, 100, "at its end");
    assert_eq!((bench.slots().len(), bench.tables.rings.len()), (256, 1));
    assert_eq!(new_flows(&bench), first[..256], "new flows saw the smaller ring from the beginning");
    flows.live(&mut bench, 600, "later");
    let equal = Bench::new(SMALL, &TARGETS);
    assert_eq!(new_flows(&bench), new_flows(&equal), "it is the ring of every edge with that size");
}

#[test]
fn the_next_agent_goes_on_with_a_ring_that_shrinks() {
    let mut bench = Bench::new(LARGE, &TARGETS);
    let flows = Flows::begin(&mut bench);
    bench.reload(SMALL, &TARGETS);
    flows.live(&mut bench, 100, "in the transition");
    bench.restart(SMALL, &TARGETS, Duration::from_secs(10));
    assert_eq!(bench.slots().len(), 1024);
    flows.live(&mut bench, 400, "with the next agent");
    assert_eq!(bench.slots().len(), 256);
    bench.restart(LARGE, &TARGETS, Duration::from_secs(10));
    assert_eq!(bench.slots().len(), 1024);
    flows.live(&mut bench, 400, "grown by the one after");
}

#[test]
fn a_change_of_mind_while_a_ring_shrinks_costs_no_flow() {
    let mut bench = Bench::new(LARGE, &TARGETS);
    let flows = Flows::begin(&mut bench);
    for (size, seconds) in [(SMALL, 100), ("ring_size = 512", 50), (LARGE, 50), ("ring_size = 2048", 50), (SMALL, 500)]
    {
        bench.reload(size, &TARGETS);
        flows.send(&mut bench, size);
        flows.live(&mut bench, seconds, size);
    }
    assert_eq!(bench.slots().len(), 256);
}

#[test]
fn a_ring_without_room_to_grow_stays_as_it_is() {
    let mut bench = Bench::new(LARGE, &TARGETS);
    let flows = Flows::begin(&mut bench);
    let before = bench.slots().to_vec();
    // The table has 4096 slots, and both rings have to have room.
    bench.reload("ring_size = 4096", &TARGETS);
    assert_eq!(bench.slots(), before);
    flows.live(&mut bench, 100, "later");
}

#[test]
fn a_ring_whose_flows_are_not_remembered_has_its_size_at_once() {
    for size in [SMALL, "ring_size = 2048"] {
        let mut bench = Bench::new(&format!("{LARGE}\ntracking = 'none'"), &TARGETS);
        bench.reload(&format!("{size}\ntracking = 'none'"), &TARGETS);
        assert_eq!(format!("ring_size = {}", bench.slots().len()), size);
        assert!(bench.slots().iter().all(|slot| slot.is_steady()));
    }
}
