use nlb_common::flow::Tracking;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::model::{Target, Weight};

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";

fn register(bench: &mut Bench, target: &str) {
    let key = key(target);
    let target =
        Target { address: key.address, port: key.port, zone: None, weight: Weight::default(), quic_server_id: None };
    bench.change(&Change::Register { group: key.group, target }).unwrap();
}

#[test]
fn a_new_targets_slots_stay_open_for_the_idle_timeout_and_lose_their_pins_after() {
    let mut bench = Bench::new("", &[A]);
    assert!(bench.slots().iter().all(|slot| slot.is_steady()), "a first target is no transition");
    register(&mut bench, B);
    bench.comes_up(B);
    let (a, b) = (bench.index(A), bench.index(B));
    let moved = bench.slots().iter().filter(|slot| slot.current() == b).count();
    assert_eq!(moved, 128);
    assert!(bench.slots().iter().all(|slot| slot.is_open() == (slot.current() == b)));
    assert!(bench.slots().iter().filter(|slot| slot.is_open()).all(|slot| slot.previous() == a));
    assert_eq!(bench.group().open_slots, 128);

    bench.pass(349);
    assert_eq!(bench.open(), 128);
    bench.pass(10);
    assert_eq!(bench.open(), 0);
    assert!(bench.slots().iter().any(|slot| slot.is_pinned()), "only a sweep may say that no pin is left");
    bench.pass(120);
    assert!(bench.slots().iter().all(|slot| slot.is_steady()));
    assert!(bench.state.rebuild_due().is_none() && bench.state.sweep_due().is_none(), "there is nothing left to do");
}

#[test]
fn a_change_that_is_taken_back_closes_its_slots() {
    let mut bench = Bench::new("", &[A, B]);
    let before: Vec<u32> = bench.slots().iter().map(|slot| slot.current()).collect();
    bench.change(&Change::SetWeight { target: key(B), weight: Weight::new(0).unwrap() }).unwrap();
    assert_eq!(bench.open(), 128);
    bench.pass(10);
    bench.change(&Change::SetWeight { target: key(B), weight: Weight::default() }).unwrap();
    assert_eq!(bench.open(), 0);
    assert_eq!(before, bench.slots().iter().map(|slot| slot.current()).collect::<Vec<_>>());
}

#[test]
fn a_change_during_a_transition_keeps_the_target_of_the_flows_from_before() {
    let mut bench = Bench::new("", &[A]);
    let a = bench.index(A);
    for (port, target) in [(2, "10.0.0.2:80"), (3, "10.0.0.3:80"), (4, "10.0.0.4:80")] {
        register(&mut bench, target);
        bench.comes_up(target);
        bench.pass(10);
        assert!(bench.slots().iter().filter(|slot| slot.is_open()).all(|slot| slot.previous() == a), "change {port}");
    }
    bench.pass(330);
    assert!(bench.open() < 192, "the first change's slots close first");
    assert!(bench.open() > 0);
}

#[test]
fn the_change_of_a_ring_is_told_by_what_new_flows_see() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    let change = bench.group().last_change.unwrap();
    assert_eq!((change.moved, change.least), (128, 128));
    bench.pass(400);
    assert_eq!(bench.group().last_change, Some(change), "the end of a transition moves nobody");
}

#[test]
fn tracking_follows_the_listeners_protocol_and_the_file() {
    let cases = [
        ("", Tracking::Transition),
        ("udp", Tracking::All),
        ("tracking = 'none'", Tracking::None),
        ("forwarding = 'nat'", Tracking::Translated),
    ];
    for (settings, tracking) in cases {
        let mut bench = Bench::new(settings, &[A]);
        assert_eq!(bench.tables.groups.values().next().unwrap().tracking, tracking as u8);
        register(&mut bench, B);
        bench.comes_up(B);
        let pinned = bench.slots().iter().filter(|slot| slot.is_pinned()).count();
        let expected = match tracking {
            Tracking::Transition => 128,
            Tracking::All | Tracking::Translated => 256,
            Tracking::None => 0,
        };
        assert_eq!(pinned, expected, "{settings}");
    }
}

#[test]
fn tracking_that_is_changed_in_the_file_is_changed_in_every_slot() {
    let mut bench = Bench::new("", &[A, B]);
    bench.reload("tracking = 'all'", &[A, B]);
    assert!(bench.slots().iter().all(|slot| slot.is_pinned() && !slot.is_open()));
    bench.pass(600);
    assert!(bench.slots().iter().all(|slot| slot.is_pinned()), "as long as it is so");
    let b = bench.index(B);
    let remembered = bench.pin(1, b);
    bench.reload("", &[A, B]);
    bench.pass(20);
    if bench.slot_of(remembered).1.current() == b {
        assert!(!bench.is_pinned(remembered), "it goes there without the pin");
    }
    bench.pass(500);
    assert!(bench.slots().iter().all(|slot| slot.is_steady()));
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    assert!(bench.open() > 0);
    bench.reload("tracking = 'none'", &[A, B]);
    assert!(bench.slots().iter().all(|slot| slot.is_steady()));
}
