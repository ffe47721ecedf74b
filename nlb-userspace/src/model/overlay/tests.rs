mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::model::{
    Access, AgentSettings, FlowSettings, Forwarding, HealthCheck, Listener, Protocol, RingKind, RingSize, ServedBy,
};

type Targets = BTreeMap<TargetKey, Target>;

const GROUPS: [&str; 2] = ["a", "b"];

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn key(group: &str, last: u8) -> TargetKey {
    TargetKey { group: group.parse().unwrap(), address: address(last), port: 80 }
}

fn target(last: u8, weight: u16, zone: Option<&str>) -> Target {
    let zone = zone.map(|zone| zone.parse().unwrap());
    Target { address: address(last), port: 80, zone, weight: Weight::new(weight).unwrap(), quic_server_id: None }
}

/// A file of the groups that `targets` names, all of `groups` among them.
fn file(groups: &[&str], targets: &Targets, vip: Option<u8>) -> Configuration {
    let group = |name: &&str| TargetGroup {
        name: name.parse().unwrap(),
        forwarding: Default::default(),
        affinity: Default::default(),
        ring: RingKind::default(),
        ring_size: RingSize::default(),
        cross_zone: false,
        flows: FlowSettings::default(),
        health_check: HealthCheck::default(),
        targets: targets
            .iter()
            .filter(|(key, _)| key.group.as_str() == *name)
            .map(|(_, target)| target.clone())
            .collect(),
    };
    let listener = |last| Listener {
        name: "vip".parse().unwrap(),
        address: address(last),
        prefix_length: None,
        protocol: Protocol::Tcp,
        ports: 80.into(),
        served_by: ServedBy::Group("a".parse().unwrap()),
        access: Access::default(),
        new_flows: None,
        quic: None,
    };
    Configuration {
        agent: AgentSettings::default(),
        listeners: vip.map(listener).into_iter().collect(),
        vips: Vec::new(),
        groups: groups.iter().map(group).collect(),
        autoscaling_groups: Vec::new(),
    }
}

fn effective(overlay: &Overlay, file: &Configuration) -> Targets {
    let groups = overlay.apply(file);
    let pairs: Vec<_> = groups
        .iter()
        .flat_map(|group| group.targets.iter().map(|target| (group.key(target), target.clone())))
        .collect();
    let number = pairs.len();
    let targets = Targets::from_iter(pairs);
    assert_eq!(targets.len(), number, "a target is there twice");
    targets
}

fn keys() -> impl Strategy<Value = TargetKey> {
    (proptest::sample::select(&GROUPS[..]), 1_u8..5).prop_map(|(group, last)| key(group, last))
}

fn targets() -> impl Strategy<Value = Targets> {
    btree_map(keys(), (99_u16..102, of("[xy]")), 0..8).prop_map(|entries| {
        let with_key = |(key, (weight, zone)): (TargetKey, (u16, Option<String>))| {
            let IpAddr::V4(v4) = key.address else { unreachable!() };
            let target = target(v4.octets()[3], weight, zone.as_deref());
            (key, target)
        };
        entries.into_iter().map(with_key).collect()
    })
}

fn change() -> impl Strategy<Value = Change> {
    let weight = || (99_u16..102).prop_map(|weight| Weight::new(weight).unwrap());
    prop_oneof![
        (keys(), weight()).prop_map(|(key, weight)| Change::Register {
            group: key.group,
            target: Target { address: key.address, port: key.port, zone: None, weight, quic_server_id: None },
        }),
        keys().prop_map(|target| Change::Deregister { target }),
        keys().prop_map(|target| Change::Drain { target }),
        keys().prop_map(|target| Change::Undrain { target }),
        (keys(), weight()).prop_map(|(target, weight)| Change::SetWeight { target, weight }),
    ]
}

/// What a change does to the targets that are there, with no regard to where they came from.
fn naive(targets: &mut Targets, file: &Targets, change: &Change) -> bool {
    match change {
        Change::Register { group, target } => {
            let key = TargetKey { group: group.clone(), address: target.address, port: target.port };
            let zone = file.get(&key).and_then(|target| target.zone.clone());
            let free = !targets.contains_key(&key);
            if free {
                targets.insert(key, Target { zone, ..target.clone() });
            }
            free
        }
        Change::Drain { target } | Change::Undrain { target } => targets.contains_key(target),
        Change::Deregister { target } => targets.remove(target).is_some(),
        Change::SetShares { .. } => false,
        Change::SetWeight { target, weight } => targets.get_mut(target).map(|target| target.weight = *weight).is_some(),
    }
}

proptest! {
    #[test]
    fn changes_do_what_they_would_do_to_a_plain_list(in_file in targets(), changes in vec(change(), 0..30)) {
        let file = file(&GROUPS, &in_file, None);
        let (mut overlay, mut plain) = (Overlay::default(), in_file.clone());
        for change in changes {
            let before = overlay.clone();
            let done = overlay.record(change.clone(), &file);
            prop_assert_eq!(done.is_ok(), naive(&mut plain, &in_file, &change), "{:?} {:?}", change, done);
            prop_assert!(done.is_ok() || overlay == before);
            prop_assert_eq!(effective(&overlay, &file), plain.clone());
            // Nothing is kept that makes no difference.
            prop_assert_eq!(overlay.clone().settle(&file), vec![]);
            let differing = |key: &TargetKey| plain.get(key) != in_file.get(key);
            let all: BTreeSet<_> = plain.keys().chain(in_file.keys()).cloned().collect();
            prop_assert_eq!(all.iter().filter(|key| differing(key)).count(), overlay.iter().count());
        }
    }

    #[test]
    fn what_another_file_makes_moot_has_no_effect_before_it_is_dropped_either(
        first in targets(), second in targets(), changes in vec(change(), 0..20), without_b in any::<bool>(),
        vip in of(1_u8..5), after in change(),
    ) {
        let old = file(&GROUPS, &first, None);
        let mut overlay = Overlay::default();
        for change in changes {
            overlay.record(change, &old).ok();
        }
        let second: Targets = second.into_iter().filter(|(key, _)| Some(key.address) != vip.map(address)).collect();
        let new = file(if without_b { &GROUPS[..1] } else { &GROUPS }, &second, vip);
        let mut settled = overlay.clone();
        let dropped = settled.settle(&new);
        prop_assert_eq!(overlay.iter().count(), settled.iter().count() + dropped.len());
        let known = |was: &Was| match was {
            Was::Target(target, was) => overlay.get(target) == Some(was),
            Was::Share(..) => false,
        };
        prop_assert!(dropped.iter().all(|each| known(&each.was)));
        prop_assert_eq!(effective(&settled, &new), effective(&overlay, &new));
        prop_assert_eq!(settled.clone().settle(&new), vec![]);

        prop_assert_eq!(settled.record(after.clone(), &new), overlay.record(after, &new));
        prop_assert_eq!(effective(&settled, &new), effective(&overlay, &new));
    }
}

/// Every change against every file that comes after it.
#[test]
fn a_reload_keeps_what_still_differs_and_tells_what_does_not() {
    let registered = Overridden::Registered(target(1, 7, None));
    let weight = Overridden::Weight(Weight::new(7).unwrap());
    let (gone, in_file, not_in_file) = (Some(Moot::GroupGone), Some(Moot::InFile), Some(Moot::NotInFile));
    let with = |weight| Targets::from([(key("a", 1), target(1, weight, None))]);
    let cases = [
        (&registered, file(&["b"], &Targets::new(), None), gone, None),
        (&registered, file(&["a"], &Targets::new(), None), None, Some(7)),
        (&registered, file(&["a"], &with(50), None), in_file, Some(50)),
        (&registered, file(&["a"], &Targets::new(), Some(1)), Some(Moot::IsListener), None),
        (&Overridden::Deregistered, file(&["b"], &Targets::new(), None), gone, None),
        (&Overridden::Deregistered, file(&["a"], &Targets::new(), None), not_in_file, None),
        (&Overridden::Deregistered, file(&["a"], &with(50), None), None, None),
        (&weight, file(&["b"], &Targets::new(), None), gone, None),
        (&weight, file(&["a"], &Targets::new(), None), not_in_file, None),
        (&weight, file(&["a"], &with(50), None), None, Some(7)),
        (&weight, file(&["a"], &with(7), None), Some(Moot::SameWeight), Some(7)),
    ];
    for (change, file, because, weight) in cases {
        let mut overlay = Overlay::from_iter([(key("a", 1), change.clone())]);
        let told: Vec<_> = overlay.settle(&file).into_iter().map(|settled| settled.because).collect();
        assert_eq!(told, Vec::from_iter(because), "{change:?}");
        let found = effective(&overlay, &file).get(&key("a", 1)).map(|target| target.weight.get());
        assert_eq!(found, weight, "{change:?} {because:?}");
    }
}

#[test]
fn changes_that_make_no_sense_are_refused_with_their_reason() {
    let in_file = Targets::from([(key("a", 1), target(1, 100, Some("x")))]);
    let mut file = file(&GROUPS, &in_file, Some(9));
    let mut overlay = Overlay::default();
    let register = |group: &str, target: Target| Change::Register { group: group.parse().unwrap(), target };

    let error = overlay.record(register("c", target(1, 1, None)), &file).unwrap_err();
    assert_eq!(error.to_string(), "no target group `c`; there are: a, b");
    let error = overlay.record(register("a", target(1, 1, None)), &file).unwrap_err();
    assert!(matches!(error, ChangeError::AlreadyRegistered { .. }));
    let error = overlay.record(register("a", target(9, 1, None)), &file).unwrap_err();
    assert_eq!(error.to_string(), "10.0.0.9 is the address of listener `vip`: register the target host's own address");
    let error = overlay.record(Change::Deregister { target: key("b", 1) }, &file).unwrap_err();
    assert_eq!(error.to_string(), "no target 10.0.0.1:80 in group `b`; see `nlb target list b`");

    overlay.record(Change::Deregister { target: key("a", 1) }, &file).unwrap();
    let error = overlay.record(register("a", target(1, 1, Some("y"))), &file).unwrap_err();
    assert_eq!(error.to_string(), "the configuration file has a/10.0.0.1:80 in zone `x`: change it there and reload");

    file.agent.capacity.targets = 1;
    overlay.record(register("a", target(2, 1, None)), &file).unwrap();
    let error = overlay.record(register("a", target(3, 1, None)), &file).unwrap_err();
    assert_eq!(error, ChangeError::Full { what: "targets", capacity: 1 });
    assert!(overlay.check_room(&file, 0).is_ok());
}

#[test]
fn a_target_that_could_not_answer_its_listeners_clients_is_refused() {
    let in_file = Targets::from([(key("a", 1), target(1, 100, None))]);
    let mut file = file(&GROUPS, &in_file, Some(9));
    let v6 = Target { address: "2001:db8::7".parse().unwrap(), ..target(1, 100, None) };
    let register =
        |group: &str, target: &Target| Change::Register { group: group.parse().unwrap(), target: target.clone() };
    file.groups.iter_mut().for_each(|group| group.forwarding = Forwarding::Nat { source: false });
    let mut overlay = Overlay::default();
    let error = overlay.record(register("a", &v6), &file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "target 2001:db8::7 is of another family than listener `vip`: it can't answer the client's own address: set \
         `source_nat = true`, so that it answers to the edge's, give the target's IPv4 address, or use `ipip` or `gue`"
    );
    overlay.record(register("a", &target(2, 100, None)), &file).expect("of the listener's family");
    overlay.record(register("b", &v6), &file).expect("no listener leads there");
    file.groups[0].forwarding = Forwarding::Nat { source: true };
    overlay.record(register("a", &v6), &file).expect("it answers to the edge");
}

#[test]
fn the_order_is_the_files_and_then_that_of_addresses() {
    let in_file = Targets::from([(key("a", 2), target(2, 100, None)), (key("a", 3), target(3, 100, None))]);
    let file = file(&["a"], &in_file, None);
    let mut overlay = Overlay::default();
    for last in [4, 1] {
        overlay.record(Change::Register { group: "a".parse().unwrap(), target: target(last, 1, None) }, &file).unwrap();
    }
    let order: Vec<_> = overlay.apply(&file)[0].targets.iter().map(|target| target.address).collect();
    assert_eq!(order, [2, 3, 1, 4].map(address));
}
