use std::time::Duration;

use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::control::{Change, ChangeError};
use crate::model::{DrainCause, Target, Weight};

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";

fn drain(bench: &mut Bench) {
    bench.change(&Change::Drain { target: key(B) }).unwrap();
}

fn deregister(bench: &mut Bench) {
    bench.change(&Change::Deregister { target: key(B) }).unwrap();
}

#[test]
fn a_drained_target_gets_no_new_flows_and_keeps_the_old_ones() {
    let mut bench = Bench::new("", &[A, B]);
    drain(&mut bench);
    let b = bench.index(B);
    assert!(bench.slots().iter().all(|slot| slot.current() != b));
    assert_eq!(bench.slots().iter().filter(|slot| slot.is_open() && slot.previous() == b).count(), 128);
    assert_eq!(bench.flags(B), Entry::DRAINING);
    let draining = bench.target(B).unwrap().draining.unwrap();
    assert_eq!((draining.cause, draining.ends), (DrainCause::Command, bench.now + Duration::from_secs(300)));
}

#[test]
fn a_drain_is_undone_by_command() {
    let mut bench = Bench::new("", &[A, B]);
    drain(&mut bench);
    assert_eq!(bench.change(&Change::Drain { target: key(B) }), Err(ChangeError::AlreadyDrained { target: key(B) }));
    bench.pass(30);
    bench.change(&Change::Undrain { target: key(B) }).unwrap();
    assert_eq!((bench.flags(B), bench.open()), (0, 0));
    assert!(bench.names(bench.index(B)));
    assert_eq!(bench.change(&Change::Undrain { target: key(B) }), Err(ChangeError::NotDrained { target: key(B) }));
    let nobody = Change::Drain { target: key("10.0.0.9:80") };
    assert!(matches!(bench.change(&nobody), Err(ChangeError::UnknownTarget { .. })));
}

#[test]
fn the_last_target_of_a_group_drains_as_well() {
    let mut bench = Bench::new("", &[B]);
    drain(&mut bench);
    let b = bench.index(B);
    assert!(bench.slots().iter().all(|slot| slot.is_open() && slot.current() == 0 && slot.previous() == b));
}

#[test]
fn a_deregistered_target_is_gone_early_when_no_flow_of_it_is_left() {
    let mut bench = Bench::new("idle_timeout = '60s'", &[A, B]);
    deregister(&mut bench);
    let b = bench.index(B);
    let flow = bench.pin(1, b);
    for _ in 0..10 {
        bench.pass(10);
        bench.packet(flow);
    }
    assert_eq!(bench.flags(B), Entry::DRAINING);
    let state = bench.target(B).unwrap();
    assert!(state.is_leaving());
    if bench.is_pinned(flow) {
        assert_eq!(state.pins, Some(1));
    }
    bench.memory.pinned().clear();
    bench.pass(30);
    assert!(bench.target(B).is_none() && bench.entry(B).is_none());
    assert!(bench.state.drains().is_empty());
    assert!(!bench.names(b));
}

#[test]
fn unpinned_flows_are_waited_for_as_long_as_their_slots_are_open() {
    let mut bench = Bench::new("", &[A, B]);
    deregister(&mut bench);
    bench.pass(290);
    assert_eq!(bench.flags(B), Entry::DRAINING);
}

/// Keeps a flow of B alive through `seconds`.
fn live(bench: &mut Bench, seconds: u64) {
    for _ in 0..seconds / 10 {
        bench.pass(10);
        let seconds = bench.seconds();
        bench.memory.pinned().iter_mut().for_each(|(_, pin)| pin.seen = seconds);
    }
}

#[test]
fn what_is_left_after_the_delay_is_given_to_others() {
    let mut bench = Bench::new("idle_timeout = '60s'", &[A, B]);
    deregister(&mut bench);
    let b = bench.index(B);
    let ports: Vec<_> = (1..20).map(|port| bench.pin(port, b)).collect();
    live(&mut bench, 290);
    assert_eq!(bench.flags(B), Entry::DRAINING);
    live(&mut bench, 50);
    assert!(ports.iter().all(|flow| !bench.is_pinned(*flow)));
    assert!(bench.entry(B).is_none() && !bench.names(b));
}

#[test]
fn what_is_left_after_the_delay_is_cut_when_that_is_asked_for() {
    let mut bench = Bench::new("idle_timeout = '60s'\nconnection_termination = true", &[A, B]);
    deregister(&mut bench);
    let b = bench.index(B);
    let flow = bench.pin(1, b);
    live(&mut bench, 310);
    assert_eq!(bench.flags(B), Entry::DRAINING | Entry::RESET);
    assert!(bench.is_pinned(flow), "its next packet is answered with a reset");
    live(&mut bench, 100);
    assert!(bench.entry(B).is_none() && !bench.is_pinned(flow));
}

#[test]
fn a_target_that_was_drained_by_command_stays_registered_without_flows() {
    for (termination, ends) in [(false, Entry::DEAD), (true, Entry::RESET)] {
        let settings = format!("idle_timeout = '60s'\nconnection_termination = {termination}");
        let mut bench = Bench::new(&settings, &[A, B]);
        drain(&mut bench);
        bench.pass(290);
        assert_eq!(bench.flags(B), Entry::DRAINING);
        bench.pass(20);
        assert_eq!(bench.flags(B), Entry::DRAINING | ends);
        bench.pass(100);
        assert_eq!(bench.flags(B), Entry::DRAINING | Entry::DEAD);
        assert!(bench.target(B).is_some());
        bench.change(&Change::Undrain { target: key(B) }).unwrap();
        assert_eq!(bench.flags(B), 0);
    }
}

#[test]
fn a_target_that_is_registered_again_gets_its_flows_back() {
    let mut bench = Bench::new("", &[A]);
    let target =
        Target { address: key(B).address, port: 80, zone: None, weight: Weight::default(), quic_server_id: None };
    let register = Change::Register { group: key(B).group, target };
    bench.change(&register).unwrap();
    bench.comes_up(B);
    bench.pass(600);
    let b = bench.index(B);
    deregister(&mut bench);
    bench.pass(100);
    bench.change(&register).unwrap();
    assert_eq!((bench.flags(B), bench.index(B), bench.open()), (0, b, 0));
    assert!(bench.state.drains().is_empty());
}

#[test]
fn a_target_that_the_file_no_longer_has_drains() {
    let mut bench = Bench::new("deregistration_delay = '10s'", &[A, B]);
    bench.reload("deregistration_delay = '10s'", &[A]);
    assert_eq!(bench.flags(B), Entry::DRAINING);
    assert!(bench.state.checked().iter().any(|checked| checked.key == key(B)), "it is still checked");
    assert!(bench.state.addresses().contains(&key(B).address), "and the way to it followed");
    bench.pass(40);
    assert!(bench.entry(B).is_none());
}

#[test]
fn without_tracking_there_is_nothing_to_wait_for() {
    let mut bench = Bench::new("tracking = 'none'", &[A, B]);
    deregister(&mut bench);
    bench.pass(5);
    assert!(bench.entry(B).is_none());
}

#[test]
fn a_target_that_fails_while_it_drains_loses_its_flows() {
    let mut bench = Bench::new("", &[A, B]);
    deregister(&mut bench);
    bench.health(B, crate::control::event::Health::Unhealthy);
    assert_eq!(bench.flags(B), Entry::DRAINING | Entry::DEAD);
    assert_eq!(bench.open(), 0);
}
