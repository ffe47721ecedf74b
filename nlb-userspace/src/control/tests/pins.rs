use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::dataplane::PinPlace;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";

/// Flows of the client's ports 1 to 40, pinned to A and B by turns.
fn pinned(bench: &mut Bench) -> Vec<(PinPlace, u32)> {
    let (a, b) = (bench.index(A), bench.index(B));
    (1..=40).map(|port| if port % 2 == 0 { (bench.pin(port, a), a) } else { (bench.pin(port, b), b) }).collect()
}

#[test]
fn needless_pins_go_and_the_others_stay_until_their_flows_end() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    bench.change(&Change::Undrain { target: key(B) }).unwrap();
    let pins = pinned(&mut bench);
    bench.pass(30);
    for &(place, target) in &pins {
        let (_, slot) = bench.slot_of(place);
        // A slot that was never opened is never looked up: a pin there is as needless.
        assert_eq!(bench.is_pinned(place), slot.current() != target, "{slot:?}");
    }
    let elsewhere = pins.iter().filter(|(place, target)| bench.slot_of(*place).1.current() != *target).count();
    assert!(elsewhere > 0);
    assert_eq!(bench.group().pins, Some(elsewhere as u64));
    bench.pass(600);
    assert!(bench.memory.pinned().is_empty());
    assert_eq!(bench.group().pins, Some(0));
    assert!(bench.slots().iter().all(|slot| slot.is_steady()));
}

#[test]
fn a_slot_with_a_pinned_flow_stays_pinned_as_long_as_the_flow_lives() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    let b = bench.index(B);
    let places: Vec<PinPlace> = (1..=40).map(|port| bench.pin(port, b)).collect();
    let flow = *places.iter().find(|place| bench.slot_of(**place).1.is_open()).unwrap();
    bench.memory.pinned().retain(|(place, _)| *place == flow);
    bench.change(&Change::SetWeight { target: key(A), weight: crate::model::Weight::new(50).unwrap() }).unwrap();
    for _ in 0..28 {
        bench.pass(10);
        bench.packet(flow);
    }
    assert_eq!(bench.target(B).unwrap().pins, Some(1));
    assert!(bench.slot_of(flow).1.is_pinned());
}

#[test]
fn an_entry_goes_only_after_the_pins_that_name_it() {
    let mut bench = Bench::new("deregistration_delay = '0s'", &[A, B]);
    let b = bench.index(B);
    bench.change(&Change::SetWeight { target: key(B), weight: crate::model::Weight::new(1).unwrap() }).unwrap();
    let pins: Vec<PinPlace> = (1..=9).map(|port| bench.pin(port, b)).collect();
    bench.reload("deregistration_delay = '0s'", &[A]);
    assert_eq!(bench.flags(B), Entry::DEAD, "nobody but pins names it");
    assert!(!bench.names(b));
    // Its index is not another's while a pin names it.
    bench.reload("deregistration_delay = '0s'", &[A, "10.0.0.7:80"]);
    assert_ne!(bench.index("10.0.0.7:80"), b);
    bench.pass(30);
    assert!(bench.entry(B).is_none());
    assert!(pins.iter().all(|place| !bench.is_pinned(*place)));
    bench.reload("deregistration_delay = '0s'", &[A, "10.0.0.7:80", "10.0.0.8:80"]);
    assert_eq!(bench.index("10.0.0.8:80"), b);
}

#[test]
fn pins_of_a_listener_that_is_gone_are_removed() {
    let mut bench = Bench::new("udp", &[A, B]);
    let b = bench.index(B);
    let flow = bench.pin(1, b);
    bench.pass(30);
    assert!(bench.is_pinned(flow));
    bench.reload("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    bench.pass(30);
    assert!(!bench.is_pinned(flow));
}

#[test]
fn a_sweep_that_fails_concludes_nothing() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    bench.pass(1);
    bench.state.sweep(bench.now);
    bench.state.abandon_sweep(bench.now);
    let (gone, is_last) = bench.state.swept((Vec::new(), None), &bench.tables, bench.now);
    assert!(gone.is_empty() && is_last, "a batch of a sweep that is no more says nothing");
    assert!(bench.state.sweep_due().is_some_and(|due| due > bench.now), "the next one is later");
}
