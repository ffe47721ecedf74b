use std::fs;
use std::net::IpAddr;
use std::path::Path;

use nlb_common::active::Cell;
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::tables::Target as Entry;

use super::*;
use crate::config;
use crate::control::event::{Health, HealthReport};
use crate::control::{Change, Kept, NextHop};
use crate::dataplane::{FlowTable, Memory, SketchOf};
use crate::model::{DrainCause, TargetKey};

const FILE: &str = "agent.interfaces = ['e']\nagent.capacity.slots = 4096\n[[target_group]]\nname = 'g'\nring_size = 256\n\
                    targets = ['10.0.0.1:80', '10.0.0.2:80']\n[[listener]]\naddress = '192.0.2.1'\nprotocol = 'tcp'\n\
                    port = 80\ntarget_group = 'g'";

fn target(last: u8) -> TargetKey {
    TargetKey { group: "g".parse().unwrap(), address: [10, 0, 0, last].into(), port: 80 }
}

fn owner(dir: &Path, memory: Memory, tables: Tables) -> Owner<Memory> {
    let store = Store::open(&dir.join("state")).unwrap();
    let clock = Clock::new();
    let kept = Kept { seed: 1, overlay: store.overlay().unwrap(), drains: store.drains().unwrap() };
    let file = dir.join("nlb.toml");
    let configuration = config::load(&file).unwrap();
    let state = State::new(configuration, kept, &tables, clock.beginning());
    let (mut owner, _) = Owner::begin(state, memory, tables, store, file, clock).unwrap();
    [1, 2].into_iter().for_each(|last| hear(&mut owner, last, Health::Healthy));
    owner
}

/// A target's way and health become known.
fn hear(owner: &mut Owner<Memory>, last: u8, health: Health) {
    let hop = NextHop {
        interface: 1,
        interface_name: "e".to_owned(),
        source_mac: [2; 6],
        source: [10, 0, 0, 254].into(),
        gateway: None,
        mac: [4; 6],
        mtu: 1500,
    };
    let report = HealthReport { target: target(last), health, reason: "told".to_owned() };
    owner.events([Event::NextHop(IpAddr::from([10, 0, 0, last]), Ok(hop)), Event::Health(report)].into_iter());
}

#[test]
fn the_first_failure_of_a_new_target_fills_the_ring_that_waited_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = begin(dir.path());
    let file = FILE.replace("name = 'g'", "name = 'h'").replace("target_group = 'g'", "target_group = 'h'");
    fs::write(dir.path().join("nlb.toml"), file).unwrap();
    owner.reload().unwrap();
    let named = |owner: &Owner<Memory>| owner.current.rings.values().all(|ring| ring[0].current() != 0);
    let report = |last, health| {
        let target = TargetKey { group: "h".parse().unwrap(), ..target(last) };
        Event::Health(HealthReport { target, health, reason: "told".to_owned() })
    };
    owner.events(std::iter::once(report(1, Health::Healthy)));
    assert!(!named(&owner));
    owner.events(std::iter::once(report(2, Health::Initial)));
    assert!(named(&owner));
}

fn begin(dir: &Path) -> Owner<Memory> {
    fs::write(dir.join("nlb.toml"), FILE).unwrap();
    owner(dir, Memory::new(4096), Tables::default())
}

/// What a kill leaves: the file as it is now.
fn kept(dir: &Path, copy: &str) -> Store {
    let copy = dir.join(copy);
    fs::create_dir(&copy).unwrap();
    fs::copy(dir.join("state").join(crate::store::FILE_NAME), copy.join(crate::store::FILE_NAME)).unwrap();
    Store::open(&copy).unwrap()
}

fn flags(owner: &Owner<Memory>, last: u8) -> Option<u8> {
    let address = IpAddr::from([10, 0, 0, last]).into();
    owner.current.targets.values().find(|entry| entry.destination == address).map(|entry| entry.flags)
}

#[tokio::test]
async fn drains_survive_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = begin(dir.path());
    first.change(&Change::Drain { target: target(1) }).unwrap();
    first.change(&Change::Deregister { target: target(2) }).unwrap();
    let drains = kept(dir.path(), "killed").drains().unwrap();
    let causes: Vec<_> = drains.iter().map(|(key, drain)| (key.clone(), drain.cause)).collect();
    assert_eq!(causes, [(target(1), DrainCause::Command), (target(2), DrainCause::Deregistered)]);

    let Owner { mut dataplane, store, .. } = first;
    drop(store);
    let tables = dataplane.read().unwrap();
    let mut next = owner(dir.path(), dataplane, tables);
    assert_eq!(*next.state.drains(), drains);
    for last in [1, 2] {
        assert_eq!(flags(&next, last), Some(Entry::READY | Entry::DRAINING));
    }
    next.change(&Change::Undrain { target: target(1) }).unwrap();
    assert_eq!(kept(dir.path(), "undrained").drains().unwrap().len(), 1);
}

#[tokio::test]
async fn a_target_taken_out_of_the_file_drains_and_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = begin(dir.path());
    fs::write(dir.path().join("nlb.toml"), FILE.replace(", '10.0.0.2:80'", "")).unwrap();
    owner.reload().unwrap();
    assert_eq!(flags(&owner, 2), Some(Entry::READY | Entry::DRAINING));
    assert!(kept(dir.path(), "killed").drains().unwrap().contains_key(&target(2)));
}

/// A flow of a listener that is no longer there: its pin is of no use.
fn stray(port: u16) -> Flow {
    let address = IpAddr::from([198, 51, 100, 1]).into();
    Flow { source: address, destination: address, source_port: port, destination_port: 0, protocol: 6, padding: [0; 3] }
}

fn pin(owner: &mut Owner<Memory>, strays: u16) {
    let place = |port| PinPlace { table: FlowTable::Established, flow: stray(port) };
    owner.dataplane.pinned().extend((0..strays).map(|port| (place(port), Pin::default())));
}

#[tokio::test]
async fn who_asks_and_a_sweep_take_turns() {
    const ASKED: u16 = 8;
    let part = u16::try_from(SWEPT).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut owner = begin(dir.path());
    pin(&mut owner, part * (ASKED + 3));
    let pins = owner.dataplane.pinned().len();
    owner.change(&Change::Drain { target: target(1) }).unwrap();
    while owner.dataplane.pinned().len() == pins {
        tokio::time::sleep_until(owner.due().expect("there are pins to sweep")).await;
        owner.work();
    }

    let (commands, taken_commands) = mpsc::channel(64);
    let (_events, taken_events) = mpsc::channel(1);
    let ask = |port| {
        let (reply, answer) = oneshot::channel();
        commands.try_send(Command::Pin { flow: stray(port), reply }).unwrap();
        answer
    };
    // Before each answer one part is swept, and no more; a turn may be something else's.
    let asked: Vec<_> = (1..=ASKED).map(|turn| (turn, ask(part * (turn + 1) + 10))).collect();
    let swept = ask(part * (ASKED - 2));
    commands.try_send(Command::Stop).unwrap();
    owner.run(taken_events, taken_commands).await;
    for (turn, answer) in asked {
        assert!(
            answer.await.unwrap().unwrap().is_some(),
            "more than {turn} parts were swept before the {turn}. answer"
        );
    }
    assert!(swept.await.unwrap().unwrap().is_none(), "those who asked held up the sweep");
}

#[tokio::test]
async fn many_pins_are_swept_a_part_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut owner = begin(dir.path());
    pin(&mut owner, 10_000);
    owner.change(&Change::Drain { target: target(1) }).unwrap();

    let mut parts = 0;
    while !owner.dataplane.pinned().is_empty() {
        tokio::time::sleep_until(owner.due().expect("there are pins to sweep")).await;
        let before = owner.dataplane.pinned().len();
        owner.work();
        let removed = before - owner.dataplane.pinned().len();
        assert!(removed <= SWEPT + 1, "{removed} at once");
        parts += usize::from(removed > 0);
    }
    assert!(parts >= 3, "{parts}");
}

#[tokio::test]
async fn the_reading_tells_the_active_flows_of_listeners_and_targets() {
    const SECOND: &str = "\n[[listener]]\naddress = '192.0.2.2'\nprotocol = 'tcp'\nport = 80\ntarget_group = 'g'";
    let dir = tempfile::tempdir().unwrap();
    let mut owner = begin(dir.path());
    let [first, second] = [1, 2].map(|last| {
        let address = IpAddr::from([10, 0, 0, last]).into();
        *owner.current.targets.iter().find(|(_, entry)| entry.destination == address).unwrap().0
    });
    let flow = |number: u64| Cell::of(number << 53 | 1 << 37);
    (0..300).for_each(|number| owner.dataplane.sketched(SketchOf::Target(first)).set(flow(number)));
    (100..400).for_each(|number| owner.dataplane.sketched(SketchOf::Target(second)).set(flow(number)));
    assert!(owner.due().is_some());
    owner.work();
    assert!(owner.dataplane.sketched(SketchOf::Target(first)).is_empty(), "what is taken is remembered by the agent");

    let near = |found: Option<&u64>, flows: u64| found.is_some_and(|found| found.abs_diff(flows) < flows / 5);
    let reading = owner.counters().unwrap().active;
    assert!(near(reading.targets.get(&first), 300) && near(reading.targets.get(&second), 300), "{reading:?}");
    assert!(near(reading.listeners.values().next(), 400), "{reading:?}");

    // Another listener of the group: each has a sketch of its own, and only the new one's says all.
    fs::write(dir.path().join("nlb.toml"), format!("{FILE}{SECOND}")).unwrap();
    owner.reload().unwrap();
    let entries: Vec<_> = owner.current.listeners.values().copied().collect();
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry.sketch == entry.counters), "{entries:?}");
    (0..50).for_each(|number| owner.dataplane.sketched(SketchOf::Listener(entries[1].sketch)).set(flow(number)));
    let reading = owner.counters().unwrap().active;
    assert_eq!(reading.listeners.keys().collect::<Vec<_>>(), [&entries[1].counters]);
    assert!(near(reading.listeners.values().next(), 50) && near(reading.targets.get(&first), 300), "{reading:?}");
    fs::write(dir.path().join("nlb.toml"), FILE).unwrap();
    owner.reload().unwrap();
    let sketches: Vec<_> = owner.current.listeners.values().map(|entry| entry.sketch).collect();
    assert_eq!(sketches, [nlb_common::tables::Listener::NO_SKETCH]);
}
