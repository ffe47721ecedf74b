use std::time::Duration;

use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::model::{DrainCause, Weight};

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const DOWN: Duration = Duration::from_secs(20);

#[test]
fn the_next_agent_continues_transitions_where_they_were() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::SetWeight { target: key(B), weight: Weight::new(0).unwrap() }).unwrap();
    let before = bench.slots().to_vec();
    bench.pass(100);
    bench.restart("", &[A, B], DOWN);
    assert_eq!(bench.slots(), before, "not a slot is written");
    bench.pass(350 - 120);
    assert_eq!(bench.open(), 128);
    bench.pass(10);
    assert_eq!(bench.open(), 0);
}

#[test]
fn the_next_agent_continues_drains_where_they_were() {
    for change in [Change::Drain { target: key(B) }, Change::Deregister { target: key(B) }] {
        let mut bench = Bench::new("", &[A, B]);
        bench.change(&change).unwrap();
        let ends = bench.target(B).unwrap().draining.unwrap().ends;
        bench.restart("", &[A, B], DOWN);
        assert_eq!(bench.flags(B), Entry::DRAINING);
        assert_eq!(bench.target(B).unwrap().draining.unwrap().ends, ends);
    }
}

#[test]
fn a_drain_that_ended_while_no_agent_ran_ends_at_once() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Deregister { target: key(B) }).unwrap();
    bench.restart("", &[A, B], Duration::from_secs(3_600));
    assert_eq!(bench.flags(B), Entry::DEAD);
    bench.pass(30);
    assert!(bench.entry(B).is_none());
}

#[test]
fn a_target_that_the_file_lost_while_no_agent_ran_drains() {
    let mut bench = Bench::new("", &[A, B]);
    let b = bench.index(B);
    bench.restart("", &[A], DOWN);
    assert_eq!((bench.flags(B), bench.index(B)), (Entry::DRAINING, b));
    assert_eq!(bench.open(), 128);
    assert!(bench.slots().iter().filter(|slot| slot.is_open()).all(|slot| slot.previous() == b));
    let draining = bench.target(B).unwrap().draining.unwrap();
    assert_eq!(draining.cause, DrainCause::Deregistered);
}

#[test]
fn an_agent_that_dies_before_an_entry_goes_leaves_its_removal_to_the_next() {
    let mut bench = Bench::new("deregistration_delay = '0s'", &[A, B]);
    let b = bench.index(B);
    bench.reload("deregistration_delay = '0s'", &[A]);
    let flow = bench.pin(1, b);
    bench.restart("deregistration_delay = '0s'", &[A, "10.0.0.7:80"], DOWN);
    assert_ne!(bench.index("10.0.0.7:80"), b);
    assert_eq!(bench.flags(B), Entry::DEAD);
    bench.pass(30);
    assert!(bench.entry(B).is_none() && !bench.is_pinned(flow));
}

#[test]
fn what_was_gone_early_stays_gone_after_a_restart() {
    let mut bench = Bench::new("tracking = 'none'", &[A, B]);
    bench.change(&Change::Deregister { target: key(B) }).unwrap();
    bench.pass(30);
    bench.restart("tracking = 'none'", &[A, B], DOWN);
    assert!(bench.entry(B).is_none() && bench.target(B).is_none());
}
