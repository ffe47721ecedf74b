use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::model::{Target, Weight};

fn overlay(changes: &[(&str, u16, u16)]) -> Overlay {
    let change = |&(group, port, weight): &(&str, u16, u16)| {
        let address = "2001:db8::1".parse().unwrap();
        let key = TargetKey { group: group.parse().unwrap(), address, port };
        let zone = (weight % 2 == 0).then(|| "a".parse().unwrap());
        let change = match Weight::new(weight) {
            None => Overridden::Deregistered,
            Some(weight) if weight.get() < 100 => Overridden::Weight(weight),
            Some(weight) => Overridden::Registered(Target { address, port, zone, weight, quic_server_id: None }),
        };
        (key, change)
    };
    let share = |&(listener, port, weight): &(&str, u16, u16)| {
        let key = ShareKey { listener: listener.parse().unwrap(), group: format!("g{port}").parse().unwrap() };
        Some((key, Weight::new(weight)?))
    };
    Overlay::from_iter(changes.iter().map(change)).with_shares(changes.iter().filter_map(share))
}

#[test]
fn a_new_store_is_empty_and_its_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("var/nlb");
    let store = Store::open(&dir).unwrap();
    assert_eq!(store.seed().unwrap(), None);
    assert_eq!(store.overlay().unwrap(), Overlay::default());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.file()), 0o600);
    assert_eq!(mode(&dir) & !0o750, 0);
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let kept = overlay(&[("web", 80, 5), ("web", 81, 100), ("web", 82, 1000), ("dns", 53, 101)]);
    let store = Store::open(dir.path()).unwrap();
    store.set_seed(u64::MAX).unwrap();
    store.save(&overlay(&[("old", 1, 1)]), &Drains::new()).unwrap();
    store.save(&kept, &Drains::new()).unwrap();
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.seed().unwrap(), Some(u64::MAX));
    assert_eq!(store.overlay().unwrap(), kept);
}

/// A kill leaves the file as it is at that moment, without the end that closing writes.
#[test]
fn what_was_saved_survives_a_kill_right_after() {
    let (dir, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path()).unwrap();
    store.set_seed(7).unwrap();
    for round in 0..20 {
        let kept = overlay(&[("web", 80, round), ("web", 81 + round, 100 + round)]);
        store.save(&kept, &Drains::new()).unwrap();
        let copy = copies.path().join(round.to_string());
        fs::create_dir(&copy).unwrap();
        fs::copy(store.file(), copy.join(FILE_NAME)).unwrap();

        let reopened = Store::open(&copy).unwrap();
        assert_eq!(reopened.seed().unwrap(), Some(7));
        assert_eq!(reopened.overlay().unwrap(), kept);
    }
}

#[test]
fn drains_are_kept_with_their_ends() {
    let dir = tempfile::tempdir().unwrap();
    let at = |millis| crate::model::Timestamp::from_epoch(std::time::Duration::from_millis(millis));
    let target =
        Target { address: [10, 0, 0, 1].into(), port: 80, zone: None, weight: Weight::default(), quic_server_id: None };
    let key = TargetKey { group: "web".parse().unwrap(), address: target.address, port: 80 };
    let cause = crate::model::DrainCause::Command;
    let drains =
        Drains::from([(key, Drain { target, cause, began: at(1_700_000_000_001), ends: at(1_700_000_300_001) })]);
    let store = Store::open(dir.path()).unwrap();
    store.save(&Overlay::default(), &drains).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.drains().unwrap(), drains);
    store.save(&Overlay::default(), &Drains::new()).unwrap();
    assert_eq!(store.drains().unwrap(), Drains::new());
}

#[test]
fn a_second_agent_is_refused_while_the_first_runs() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&error, StoreError::InUse { file } if file == first.file()), "{error:?}");
    drop(first);
    Store::open(dir.path()).unwrap();
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.set_seed(7).unwrap();
    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(schema::META).unwrap().insert(schema::VERSION_KEY, schema::VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(store);

    for _ in 0..2 {
        let error = Store::open(dir.path()).unwrap_err();
        let newer = schema::VERSION + 1;
        assert!(
            matches!(error, StoreError::Newer { found, known: schema::VERSION, .. } if found == newer),
            "{error:?}"
        );
    }
}

#[test]
fn a_file_of_version_0_is_brought_to_this_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(Database::create(dir.path().join(FILE_NAME)).unwrap());
    let store = Store::open(dir.path()).unwrap();
    store.set_seed(1).unwrap();
    let transaction = store.database.begin_read().unwrap();
    let version = transaction.open_table(schema::META).unwrap().get(schema::VERSION_KEY).unwrap().unwrap().value();
    assert_eq!(version, schema::VERSION);
}

#[test]
fn a_file_that_is_no_store_is_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    for content in [b"[agent]\n".repeat(1000), vec![0; 1 << 20], vec![0xff; 5000], b"x".to_vec()] {
        fs::write(&file, &content).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&format!("{}: damaged", file.display())), "{error}");
        assert!(fs::read(&file).unwrap() == content, "the file was changed");
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused_or_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.set_seed(7).unwrap();
    let file = store.file().to_owned();
    drop(store);
    let whole = fs::read(&file).unwrap();
    for parts in 1..8 {
        fs::write(&file, &whole[..whole.len() * parts / 8]).unwrap();
        match Store::open(dir.path()) {
            Ok(store) => assert_eq!(store.seed().unwrap(), Some(7)),
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Io { .. }), "{error:?}"),
        }
    }
}

#[test]
fn a_file_with_a_wrong_byte_is_refused_or_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let kept = overlay(&[("web", 80, 5), ("dns", 53, 101)]);
    store.save(&kept, &Drains::new()).unwrap();
    let file = store.file().to_owned();
    drop(store);

    let whole = fs::read(&file).unwrap();
    let used: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
    for &at in used.iter().step_by(used.len() / 40) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5a;
        fs::write(&file, &damaged).unwrap();
        match Store::open(dir.path()) {
            Ok(store) => assert_eq!(store.overlay().unwrap(), kept, "byte {at}"),
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_value_that_makes_no_sense_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(OVERLAY).unwrap().insert("web/10.0.0.1:80", "{}").unwrap();
    transaction.commit().unwrap();
    let error = store.overlay().unwrap_err().to_string();
    assert!(error.contains("the value `web/10.0.0.1:80` of the table `overlay`"), "{error}");
}

#[test]
fn a_state_directory_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file.join("nlb")).unwrap_err(), StoreError::Directory { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_overlay_is_read_as_it_was_saved(
        changes in proptest::collection::vec(("[a-z0-9][a-z._-]{0,9}", 1_u16.., 0_u16..1500), 0..20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let changes: Vec<_> = changes.iter().map(|(group, port, weight)| (group.as_str(), *port, *weight)).collect();
        store.save(&overlay(&changes), &Drains::new()).unwrap();
        prop_assert_eq!(store.overlay().unwrap(), overlay(&changes));
    }
}

fn group() -> crate::autoscale::model::AutoscalingGroup {
    const FILE: &str = "agent.interfaces = ['e']\n[[autoscaling_group]]\nname = 'web'\nmin = 1\nmax = 2\n\
                        template = { provider = 'exec', settings.command = ['/bin/launch'] }";
    crate::config::parse(FILE, "f").unwrap().autoscaling_groups[0].clone()
}

#[test]
fn the_state_of_an_autoscaling_group_is_kept_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine::Engine::new(group(), 7);
    let (web, other) = ("web".parse().unwrap(), "other".parse().unwrap());
    let store = Store::open(dir.path()).unwrap();
    assert!(store.autoscaling(&web).unwrap().is_none());
    store.save_autoscaling(&web, engine.state(), &[]).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.autoscaling(&web).unwrap().as_ref(), Some(engine.state()));
    assert!(store.autoscaling(&other).unwrap().is_none());
}

#[test]
fn a_recorded_load_is_kept_for_its_policy() {
    use crate::autoscale::forecast::{History, Minutes};
    use crate::model::Timestamp;

    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (web, policy, other): (Name, Name, Name) =
        ("web".parse().unwrap(), "ahead".parse().unwrap(), "other".parse().unwrap());
    let mut history = History::default();
    for minute in 0..3 {
        history.record(Timestamp::from_epoch(std::time::Duration::from_secs(6_000 + 60 * minute)), 1.5);
    }
    store.save_histories(&web, &[(&policy, &history)]).unwrap();
    assert_eq!(store.history(&web, &policy).unwrap(), history);
    assert_eq!(store.history(&web, &other).unwrap(), History::default());

    // What came since is kept with the state.
    let engine = engine::Engine::new(group(), 7);
    let at = |minute: u64| Timestamp::from_epoch(std::time::Duration::from_secs(6_000 + 60 * minute));
    let recent = Minutes { first: at(2), values: vec![Some(4.0), None, Some(5.0)] };
    store.save_autoscaling(&web, engine.state(), &[(&policy, recent.clone())]).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let after = store.history(&web, &policy).unwrap();
    let minutes = [Some(1.5), Some(1.5), Some(4.0), None, Some(5.0)];
    assert_eq!(after.minutes().1.collect::<Vec<_>>(), minutes);
    // The whole takes its place, also one that knows nothing of it.
    store.save_histories(&web, &[(&policy, &history)]).unwrap();
    assert_eq!(store.history(&web, &policy).unwrap(), history);
}
