//! A listener that groups share by weight.

use std::collections::BTreeSet;
use std::time::Duration;

use nlb_common::slot::Slot;

use super::bench::{Bench, hop};
use crate::config;
use crate::control::event::{Health, HealthReport};
use crate::control::{Change, Event, Outside};
use crate::model::{Configuration, GroupShare, TargetKey};

/// Two groups of three targets each, rings of 1,024 slots, and a listener that is served so.
fn configuration(served: &str) -> Configuration {
    let group = |name: &str, net: u8| {
        let targets: Vec<String> = (1..=3).map(|host| format!("10.0.{net}.{host}:80")).collect();
        format!("[[target_group]]\nname = '{name}'\nring_size = 1024\ntargets = {targets:?}\n")
    };
    let text = format!(
        "agent.interfaces = ['e']\n{}{}[[listener]]\naddress = '192.0.2.1'\nprotocol = 'tcp'\nport = 80\n{served}\n",
        group("blue", 1),
        group("green", 2)
    );
    config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

fn weighted(blue: u16, green: u16) -> String {
    format!("target_groups = ['blue={blue}', 'green={green}']")
}

fn key(group: &str, net: u8, host: u8) -> TargetKey {
    TargetKey { group: group.parse().unwrap(), address: [10, 0, net, host].into(), port: 80 }
}

fn health(bench: &mut Bench, target: TargetKey, health: Health) {
    bench.state.handle(Event::Health(HealthReport { target, health, reason: "told".to_owned() }), bench.now);
    bench.reconcile();
}

/// An agent with that listener; all targets are reached and healthy.
fn bench(served: &str) -> Bench {
    let mut bench = Bench::of(configuration(served));
    for (group, net) in [("blue", 1), ("green", 2)] {
        for host in 1..=3 {
            let target = key(group, net, host);
            bench.state.handle(Event::NextHop(target.address, Ok(hop())), bench.now);
            health(&mut bench, target, Health::Healthy);
        }
    }
    bench
}

/// The slots that the listener's flows are looked up in.
fn slots(bench: &Bench) -> Vec<Slot> {
    let listener = bench.tables.listeners.values().next().unwrap();
    bench.tables.rings[&listener.group].to_vec()
}

/// The ring of the group of that name itself.
fn ring_of(bench: &Bench, group: &str) -> Vec<Slot> {
    bench.state.snapshot(Outside::default(), bench.now).group(&group.parse().unwrap()).unwrap().ring.to_vec()
}

fn targets_of(bench: &Bench, group: &str) -> BTreeSet<u32> {
    let snapshot = bench.state.snapshot(Outside::default(), bench.now);
    snapshot.group(&group.parse().unwrap()).unwrap().targets.iter().map(|target| target.index).collect()
}

/// How many slots give their new flows to targets of that group.
fn held(bench: &Bench, group: &str) -> usize {
    let targets = targets_of(bench, group);
    slots(bench).iter().filter(|slot| targets.contains(&slot.current())).count()
}

fn open(bench: &Bench) -> usize {
    slots(bench).iter().filter(|slot| slot.is_open()).count()
}

#[test]
fn new_flows_are_shared_by_weight_and_a_group_of_weight_0_gets_none() {
    for (blue, green, least, most) in [(90, 10, 90, 113), (1, 1, 490, 534), (999, 1, 1, 2), (5, 0, 0, 0)] {
        let bench = bench(&weighted(blue, green));
        let slots_of_green = held(&bench, "green");
        assert!((least..=most).contains(&slots_of_green), "{blue}:{green}: {slots_of_green} of 1024");
        assert_eq!(held(&bench, "blue") + slots_of_green, 1024);
        assert_eq!(open(&bench), 0, "the first ring is filled in one go");
    }
}

#[test]
fn a_change_of_weights_moves_what_the_shares_differ_by_and_keeps_flows_meanwhile() {
    let mut bench = bench(&weighted(90, 10));
    let (before, blue) = (slots(&bench), targets_of(&bench, "blue"));
    bench.configure(configuration(&weighted(50, 50)));
    let after = slots(&bench);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!((390..=460).contains(&moved.len()), "{} of 1024, 410 at least", moved.len());
    for (before, after) in moved {
        assert!(blue.contains(&before.current()) && !blue.contains(&after.current()), "from blue to green alone");
        assert!(after.is_open() && after.previous() == before.current(), "flows of before stay");
    }
    bench.configure(configuration(&weighted(0, 100)));
    assert_eq!(held(&bench, "blue"), 0);
    assert!(slots(&bench).iter().filter(|slot| slot.is_open()).all(|slot| blue.contains(&slot.previous())));
    bench.pass(356);
    assert_eq!(open(&bench), 0);
}

#[test]
fn weights_by_command_do_what_the_file_would_and_outlive_the_agent() {
    let (mut commanded, mut configured) = (bench(&weighted(90, 10)), bench(&weighted(90, 10)));
    for (blue, green) in [(50, 50), (0, 100), (90, 10)] {
        let shares = [("blue", blue), ("green", green)]
            .map(|(group, weight)| GroupShare { group: group.parse().unwrap(), weight: weight.try_into().unwrap() });
        let listener = "tcp-192.0.2.1-80".parse().unwrap();
        commanded.change(&Change::SetShares { listener, shares: shares.to_vec() }).unwrap();
        configured.configure(configuration(&weighted(blue, green)));
        assert_eq!(slots(&commanded), slots(&configured), "{blue}:{green}");
        commanded.restart_with(configuration(&weighted(90, 10)), Duration::ZERO);
        assert_eq!(slots(&commanded), slots(&configured), "{blue}:{green}, the next agent");
    }
}

#[test]
fn a_listener_comes_to_be_shared_and_ceases_to_be_without_a_slot_that_moves() {
    let mut bench = bench("target_group = 'blue'");
    let currents = |slots: &[Slot]| slots.iter().map(|slot| slot.current()).collect::<Vec<_>>();
    let alone = slots(&bench);
    bench.configure(configuration(&weighted(100, 0)));
    assert_eq!(slots(&bench), alone);
    bench.configure(configuration(&weighted(0, 100)));
    bench.pass(356);
    assert_eq!(currents(&slots(&bench)), currents(&ring_of(&bench, "green")));
    bench.configure(configuration("target_group = 'green'"));
    assert_eq!(currents(&slots(&bench)), currents(&ring_of(&bench, "green")));
}

#[test]
fn a_listener_that_is_shared_with_a_transition_under_way_takes_that_over() {
    let mut bench = bench("target_group = 'blue'");
    health(&mut bench, key("blue", 1, 3), Health::Unhealthy);
    let alone = slots(&bench);
    bench.configure(configuration(&weighted(90, 10)));
    for (before, after) in alone.iter().zip(slots(&bench)) {
        let serving = if before.is_open() { before.previous() } else { before.current() };
        let keeps = if after.is_open() { after.previous() } else { after.current() };
        assert_eq!(keeps, serving, "a flow that is not pinned stays where it was");
    }
}

#[test]
fn what_happens_in_one_group_moves_no_slot_of_another() {
    let mut bench = bench(&weighted(60, 40));
    let (before, blue) = (slots(&bench), targets_of(&bench, "blue"));
    health(&mut bench, key("green", 2, 1), Health::Unhealthy);
    let after = slots(&bench);
    assert_ne!(before, after);
    for (before, after) in before.iter().zip(&after).filter(|(before, _)| blue.contains(&before.current())) {
        assert_eq!(before, after);
    }
}

#[test]
fn a_group_whose_targets_all_fail_is_passed_over_until_it_is_well_again() {
    let mut bench = bench(&weighted(60, 40));
    let before = slots(&bench);
    for host in 1..=3 {
        health(&mut bench, key("green", 2, host), Health::Unhealthy);
    }
    assert_eq!(held(&bench, "blue"), 1024);
    health(&mut bench, key("green", 2, 2), Health::Healthy);
    assert_eq!(
        held(&bench, "green"),
        before.len() - before.iter().filter(|slot| targets_of(&bench, "blue").contains(&slot.current())).count()
    );
    // Nobody is well: all are tried.
    for (group, net) in [("blue", 1), ("green", 2)] {
        for host in 1..=3 {
            health(&mut bench, key(group, net, host), Health::Unhealthy);
        }
    }
    assert!(held(&bench, "green") > 0 && held(&bench, "blue") > 0);
}

#[test]
fn the_next_agent_goes_on_with_the_ring_of_before() {
    let mut bench = bench(&weighted(90, 10));
    bench.configure(configuration(&weighted(10, 90)));
    let before = slots(&bench);
    assert!(open(&bench) > 0);
    bench.restart_with(configuration(&weighted(10, 90)), Duration::from_secs(20));
    assert_eq!(slots(&bench), before, "not a slot is written");
    bench.pass(356);
    assert_eq!(open(&bench), 0);
}
