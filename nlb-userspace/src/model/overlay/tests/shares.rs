//! Weights of groups that share a listener, over any files and in any order.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::super::*;
use crate::config;
use crate::model::{GroupShare, ServedBy};

type Shares = BTreeMap<String, u16>;

/// A file with a listener that these groups share, and one that a group has for itself.
fn file(shares: &Shares) -> Configuration {
    let listed: Vec<String> = shares.iter().map(|(group, weight)| format!("{group}={weight}")).collect();
    let groups: String = ["a", "b", "c"].map(|name| format!("[[target_group]]\nname = '{name}'\n")).concat();
    let text = format!(
        "agent.interfaces = ['e']\n{groups}\
         [[listener]]\nname = 'shared'\naddress = '192.0.2.1'\nprotocol = 'tcp'\nport = 80\ntarget_groups = {listed:?}\n\
         [[listener]]\nname = 'own'\naddress = '192.0.2.1'\nprotocol = 'tcp'\nport = 81\ntarget_group = 'a'\n"
    );
    config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

fn change(listener: &str, shares: &[(&str, u16)]) -> Change {
    let share = |&(group, weight): &(&str, u16)| GroupShare {
        group: group.parse().unwrap(),
        weight: Weight::new(weight).unwrap(),
    };
    Change::SetShares { listener: listener.parse().unwrap(), shares: shares.iter().map(share).collect() }
}

/// What the listener is shared by.
fn effective(overlay: &Overlay, file: &Configuration) -> Shares {
    let listeners = overlay.listeners(file);
    let ServedBy::Shares(shares) = &listeners[0].served_by else { panic!("{listeners:?}") };
    shares.iter().map(|share| (share.group.to_string(), share.weight.get())).collect()
}

/// Some of three groups; one at least has a weight.
fn shares() -> impl Strategy<Value = Shares> {
    btree_map("[abc]", 0_u16..3, 1..4)
        .prop_filter("nobody has a weight", |shares| shares.values().any(|&weight| weight > 0))
}

/// New weights of some groups, which may be strangers.
fn weights() -> impl Strategy<Value = Vec<(String, u16)>> {
    vec(("[abcd]", 0_u16..3), 1..3)
}

/// What a change does to the weights, if it can be made.
fn naive(shares: &Shares, wanted: &[(String, u16)]) -> Option<Shares> {
    let mut next = shares.clone();
    let named: BTreeMap<_, _> = wanted.iter().cloned().collect();
    let known = named.len() == wanted.len() && named.keys().all(|group| shares.contains_key(group));
    next.extend(named);
    (known && next.values().any(|&weight| weight > 0)).then_some(next)
}

proptest! {
    #[test]
    fn weights_are_as_last_set_and_the_files_otherwise(in_file in shares(), changes in vec(weights(), 0..20)) {
        let file = file(&in_file);
        let (mut overlay, mut plain) = (Overlay::default(), in_file.clone());
        for wanted in changes {
            let before = overlay.clone();
            let named: Vec<_> = wanted.iter().map(|(group, weight)| (group.as_str(), *weight)).collect();
            let done = overlay.record(change("shared", &named), &file);
            let expected = naive(&plain, &wanted);
            prop_assert_eq!(done.is_ok(), expected.is_some(), "{:?} {:?}", wanted, done);
            prop_assert!(done.is_ok() || overlay == before);
            plain = expected.unwrap_or(plain);
            prop_assert_eq!(effective(&overlay, &file), plain.clone());
            // Nothing is kept that makes no difference.
            prop_assert_eq!(overlay.clone().settle(&file), vec![]);
            let differing = plain.iter().filter(|(group, weight)| in_file.get(*group) != Some(*weight)).count();
            prop_assert_eq!(overlay.shares().count(), differing);
        }
    }

    #[test]
    fn what_another_file_makes_moot_has_no_effect_before_it_is_dropped_either(
        first in shares(), second in shares(), changes in vec(weights(), 0..10), after in weights(),
    ) {
        let named = |wanted: &Vec<(String, u16)>| {
            change("shared", &wanted.iter().map(|(group, weight)| (group.as_str(), *weight)).collect::<Vec<_>>())
        };
        let mut overlay = Overlay::default();
        for wanted in &changes {
            overlay.record(named(wanted), &file(&first)).ok();
        }
        let new = file(&second);
        let mut settled = overlay.clone();
        let dropped = settled.settle(&new);
        prop_assert_eq!(overlay.shares().count(), settled.shares().count() + dropped.len());
        prop_assert_eq!(effective(&settled, &new), effective(&overlay, &new));
        prop_assert!(effective(&settled, &new).values().any(|&weight| weight > 0));
        prop_assert_eq!(settled.clone().settle(&new), vec![]);

        prop_assert_eq!(settled.record(named(&after), &new), overlay.record(named(&after), &new));
        prop_assert_eq!(effective(&settled, &new), effective(&overlay, &new));
    }
}

/// Every way in which a weight may lose its object.
#[test]
fn a_reload_tells_which_weights_it_ended_and_why() {
    let with =
        |shares: &[(&str, u16)]| file(&shares.iter().map(|(group, weight)| ((*group).to_owned(), *weight)).collect());
    let mut gone = with(&[("a", 90), ("b", 10)]);
    gone.listeners.remove(0);
    let mut unshared = with(&[("a", 90), ("b", 10)]);
    unshared.listeners[0].served_by = ServedBy::Group("a".parse().unwrap());
    let cases = [
        (with(&[("a", 80), ("b", 20)]), None),
        (with(&[("a", 0), ("b", 20)]), Some((Moot::SameWeight, "the configuration says the same now"))),
        (with(&[("b", 20)]), Some((Moot::NotShared, "the group no longer shares the listener"))),
        (
            with(&[("a", 80), ("b", 0)]),
            Some((Moot::NoneWeighted, "no group of the listener would have a weight above 0")),
        ),
        (gone, Some((Moot::ListenerGone, "the configuration no longer has the listener"))),
        (unshared, Some((Moot::NotShared, "the group no longer shares the listener"))),
    ];
    for (after, expected) in cases {
        let mut overlay = Overlay::default();
        overlay.record(change("shared", &[("a", 0)]), &with(&[("a", 90), ("b", 10)])).unwrap();
        let settled = overlay.settle(&after);
        assert_eq!(settled.first().map(|settled| settled.because), expected.map(|(because, _)| because));
        for (settled, (_, text)) in settled.iter().zip(expected) {
            assert_eq!(
                settled.to_string(),
                format!("the weight 0 of a at listener shared set at run time ended: {text}")
            );
            assert_eq!(settled.change(), change("shared", &[("a", 0)]));
        }
    }
}

#[test]
fn weights_that_make_no_sense_are_refused_with_what_would() {
    let file = file(&[("a".to_owned(), 90), ("b".to_owned(), 10)].into());
    for (change, expected) in [
        (change("none", &[("a", 1)]), "no listener `none`; there are: shared, own"),
        (
            change("own", &[("a", 1)]),
            "listener `own` is served by `a` alone: list its groups by weight in the configuration, as \
             `target_groups = [\"a=90\", …]`",
        ),
        (change("shared", &[("c", 1)]), "`c` does not share listener `shared`; those that do: a, b"),
        (change("shared", &[("a", 1), ("a", 2)]), "`a` is given two weights: give each group one"),
        (
            change("shared", &[("a", 0), ("b", 0)]),
            "no group of listener `shared` would have a weight above 0: give one of them a weight",
        ),
    ] {
        let error = Overlay::default().record(change, &file).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
