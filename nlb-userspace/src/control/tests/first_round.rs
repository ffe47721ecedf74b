use super::bench::{Bench, key};
use crate::control::Change;
use crate::control::event::Health::{Healthy, Initial, Unhealthy};
use crate::control::snapshot::Routing;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";
const C: &str = "10.0.0.3:80";
/// A fast interval of 1 s until the first check at most, then two checks with their timeouts of 2 s.
const LIMIT: u64 = 7;

fn named(bench: &Bench) -> usize {
    bench.slots().iter().filter(|slot| slot.current() != 0).count()
}

#[test]
fn edges_whose_targets_become_healthy_in_any_order_begin_with_one_ring_and_without_a_transition() {
    let rings = [[A, B, C], [C, A, B]].map(|order| {
        let mut bench = Bench::begin("", &[A, B, C]);
        for target in order {
            assert_eq!((named(&bench), bench.group().routing), (0, Routing::Waiting));
            bench.comes_up(target);
        }
        assert!(bench.slots().iter().all(|slot| slot.is_steady() && slot.current() != 0));
        bench.slots().iter().map(|slot| bench.tables.targets[&slot.current()].destination).collect::<Vec<_>>()
    });
    assert_eq!(rings[0], rings[1]);
}

#[test]
fn a_target_without_a_known_way_is_waited_for_and_one_without_any_way_is_not() {
    let mut bench = Bench::begin("", &[A, B]);
    bench.comes_up(A);
    bench.health(B, Healthy);
    assert_eq!(named(&bench), 0);
    bench.is_reached(B);
    assert_eq!(named(&bench), 256);
    assert_eq!(bench.open(), 0);
}

#[test]
fn a_target_that_fails_its_first_check_is_waited_for_no_longer_and_gets_flows_once_it_passes() {
    let mut bench = Bench::begin("", &[A, B]);
    bench.comes_up(A);
    bench.is_reached(B);
    assert_eq!(named(&bench), 0);
    bench.health(B, Initial);
    assert_eq!((named(&bench), bench.target(B).unwrap().slots), (256, 0));
    assert_eq!(bench.target(B).unwrap().reason, "told");
    bench.health(B, Healthy);
    assert_eq!((bench.target(B).unwrap().slots, bench.open()), (128, 128));
}

#[test]
fn nobody_is_waited_for_longer_than_its_first_checks_may_take() {
    let mut bench = Bench::begin("", &[A, B]);
    bench.comes_up(A);
    bench.pass(LIMIT - 1);
    assert_eq!(named(&bench), 0);
    bench.pass(1);
    assert_eq!(named(&bench), 256);

    let checks = "[target_group.health_check]\ninterval = '5m'\nfast_interval = '5m'\ntimeout = '5m'";
    let mut bench = Bench::begin_with("", &[A, B], checks);
    bench.comes_up(A);
    bench.pass(29);
    assert_eq!(named(&bench), 0);
    bench.pass(1);
    assert_eq!(named(&bench), 256, "whatever the settings");
}

#[test]
fn a_target_that_gets_no_flows_anyway_is_not_waited_for() {
    let mut bench = Bench::begin("", &[A, B]);
    bench.change(&Change::Drain { target: key(B) }).unwrap();
    bench.comes_up(A);
    assert_eq!(named(&bench), 256);
}

#[test]
fn when_all_have_failed_all_get_flows_and_not_before_the_last_has() {
    let mut bench = Bench::begin("", &[A, B]);
    bench.is_reached(A);
    bench.is_reached(B);
    bench.health(A, Unhealthy);
    assert_eq!((named(&bench), bench.group().routing), (0, Routing::Waiting));
    bench.health(B, Unhealthy);
    assert_eq!((named(&bench), bench.open(), bench.group().routing), (256, 0, Routing::FailOpen));
}

#[test]
fn only_a_first_ring_waits() {
    let mut bench = Bench::new("", &[A]);
    bench.reload("", &[A, B, C]);
    bench.comes_up(B);
    assert_eq!(bench.target(B).unwrap().slots, 128, "the third is not waited for");
}

#[test]
fn the_targets_of_a_first_ring_have_their_shares_from_the_beginning() {
    let mut bench = Bench::begin("slow_start = '100s'", &[A, B]);
    bench.comes_up(A);
    bench.pass(5);
    bench.comes_up(B);
    for _ in 0..20 {
        bench.pass(5);
        assert_eq!((bench.target(B).unwrap().slots, bench.open()), (128, 0));
    }
}
