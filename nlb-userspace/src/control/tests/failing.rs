use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::control::event::Health::{Healthy, Unhealthy};
use crate::control::snapshot::Routing;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const C: &str = "10.0.0.3:80";

#[test]
fn a_target_that_fails_is_dead_and_its_slots_do_not_wait_for_it() {
    let mut bench = Bench::new("", &[A, B]);
    bench.health(B, Unhealthy);
    assert_eq!((bench.flags(B), bench.open()), (Entry::DEAD, 0));
    bench.health(B, Healthy);
    assert_eq!(bench.flags(B), 0);
    assert_eq!(bench.open(), 128, "those that the other served meanwhile stay there");
}

#[test]
fn slots_close_when_the_target_that_they_came_from_fails() {
    let mut bench = Bench::new("", &[A, B, C]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    let b = bench.index(B);
    let waiting = |bench: &Bench| bench.slots().iter().filter(|slot| slot.is_open() && slot.previous() == b).count();
    assert!(waiting(&bench) > 80);
    bench.health(B, Unhealthy);
    assert_eq!(waiting(&bench), 0);
}

#[test]
fn a_failed_targets_flows_are_kept_by_setting() {
    let mut bench = Bench::new("unhealthy_connection_termination = false", &[A, B]);
    bench.health(B, Unhealthy);
    assert_eq!((bench.flags(B), bench.open()), (Entry::DRAINING, 128));
    bench.pass(100_000);
    assert_eq!(bench.flags(B), Entry::DRAINING, "as long as they last");
}

#[test]
fn a_failed_targets_flows_are_kept_for_the_draining_interval() {
    let settings = "unhealthy_connection_termination = false\nunhealthy_draining_interval = '2m'";
    let mut bench = Bench::new(settings, &[A, B]);
    bench.health(B, Unhealthy);
    bench.pass(119);
    assert_eq!((bench.flags(B), bench.open()), (Entry::DRAINING, 128));
    bench.pass(2);
    assert_eq!((bench.flags(B), bench.open()), (Entry::DEAD, 0));
}

#[test]
fn with_fail_open_no_target_is_dead_and_back_only_the_failed_ones_are() {
    let mut bench = Bench::new("", &[A, B]);
    bench.health(A, Unhealthy);
    assert_eq!((bench.flags(A), bench.flags(B)), (Entry::DEAD, 0));
    bench.health(B, Unhealthy);
    assert_eq!(bench.group().routing, Routing::FailOpen);
    assert_eq!((bench.flags(A), bench.flags(B)), (0, 0));
    bench.health(A, Healthy);
    assert_eq!((bench.flags(A), bench.flags(B)), (0, Entry::DEAD));
    let b = bench.index(B);
    assert!(bench.slots().iter().all(|slot| slot.current() != b));
}

#[test]
fn a_drained_target_is_no_refuge_of_fail_open() {
    let mut bench = Bench::new("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    bench.health(A, Unhealthy);
    let a = bench.index(A);
    assert!(bench.slots().iter().all(|slot| slot.current() == a));
}

#[test]
fn a_slow_start_rises_to_the_whole_share() {
    let mut bench = Bench::new("slow_start = '100s'", &[A, B]);
    let share = |bench: &Bench| {
        let b = bench.index(B);
        bench.slots().iter().filter(|slot| slot.current() == b).count()
    };
    assert_eq!(share(&bench), 128, "nobody has his share yet: all begin together");
    bench.pass(150);
    bench.health(B, Unhealthy);
    bench.pass(10);
    bench.health(B, Healthy);
    let mut last = share(&bench);
    assert!(last < 30, "{last}");
    for _ in 0..10 {
        bench.pass(10);
        let next = share(&bench);
        assert!(next >= last, "{next} after {last}");
        last = next;
    }
    bench.pass(5);
    assert_eq!(share(&bench), 128);
}
