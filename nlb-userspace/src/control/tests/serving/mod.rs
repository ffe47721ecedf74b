//! The state as its owner drives it: events in, tables written to the twin in memory, promises held after each step.

mod adoption;
mod changes;
mod histories;

use std::net::IpAddr;
use std::time::Duration;

use nlb_common::slot::TargetIndex;

use crate::config;
use crate::control::event::{Event, Health, HealthReport, NextHop, NoNextHop};
use crate::control::snapshot::{GroupState, Snapshot};
use crate::control::{Beginning, Kept, Notice, Outside, State, plan};
use crate::dataplane::{Dataplane as _, Memory, Tables};
use crate::model::{Change, Configuration, TargetKey, Timestamp};

const SLOTS: usize = 1 << 12;
const BEGINNING: Timestamp = Timestamp::from_epoch(Duration::from_secs(1_000_000));

/// A state and the tables that follow from it.
struct World {
    state: State,
    memory: Memory,
    current: Tables,
    now: Timestamp,
}

impl World {
    fn new(text: &str) -> Self {
        Self::over(text, Memory::new(SLOTS), BEGINNING)
    }

    /// The next agent, over the tables that are there.
    fn next(self, text: &str) -> Self {
        Self::over(text, self.memory, self.now)
    }

    fn over(text: &str, mut memory: Memory, now: Timestamp) -> Self {
        let current = memory.read().unwrap();
        let kept = Kept { seed: 7, ..Kept::default() };
        let beginning = Beginning { now, monotonic: now.since(BEGINNING) };
        let state = State::new(configuration(text), kept, &current, beginning);
        let mut world = Self { state, memory, current, now };
        world.write();
        world
    }

    fn write(&mut self) -> Vec<Notice> {
        self.now = self.now + Duration::from_secs(1);
        let (desired, notices) = self.state.rebuild(self.now);
        self.memory.apply(&plan(&self.current, &desired)).unwrap();
        self.state.settle();
        self.current = desired;
        assert_eq!(self.memory.read().unwrap(), self.current, "the tables are what was asked for");
        notices
    }

    fn event(&mut self, event: Event) -> Vec<Notice> {
        let mut notices = self.state.handle(event, self.now);
        notices.extend(self.write());
        notices
    }

    fn configure(&mut self, text: &str) -> Vec<Notice> {
        let configuration = configuration(text);
        let prospect = self.state.under(&configuration, self.state.overlay().clone(), self.now);
        self.state.configure(configuration, prospect, self.now);
        self.write()
    }

    fn health(&mut self, target: &str, health: Health) -> Vec<Notice> {
        self.event(Event::Health(HealthReport { target: key(target), health, reason: "said the test".into() }))
    }

    fn way(&mut self, address: &str, way: Result<NextHop, NoNextHop>) -> Vec<Notice> {
        self.event(Event::NextHop(address.parse().unwrap(), way))
    }

    fn change(&mut self, change: &Change) {
        let prospect = self.state.with(change, self.now).unwrap();
        self.state.set(prospect, self.now);
        self.write();
    }

    /// Resolves every target and makes it healthy.
    fn all_well(&mut self) {
        for address in self.state.addresses() {
            self.event(Event::NextHop(address, Ok(hop(1))));
        }
        let keys: Vec<_> = self.state.checked().into_iter().map(|checked| checked.key).collect();
        for target in keys {
            self.event(Event::Health(HealthReport { target, health: Health::Healthy, reason: "said the test".into() }));
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.state.snapshot(Outside::default(), self.now)
    }

    fn group(&self, name: &str) -> GroupState {
        self.snapshot().group(&name.parse().unwrap()).unwrap().clone()
    }

    /// Addresses of the targets that hold slots of a group, as the tables in memory have it.
    fn serving(&mut self, group: &str) -> Vec<IpAddr> {
        let tables = self.memory.read().unwrap();
        let index = self.group(group).index;
        let mut serving: Vec<IpAddr> = tables.rings[&index]
            .iter()
            .map(|slot| slot.current())
            .filter(|&target| target != 0)
            .map(|target| tables.targets[&target].destination.into())
            .collect();
        serving.sort_unstable();
        serving.dedup();
        serving
    }

    /// Who gets the new flows of each slot.
    fn owners(&mut self, group: &str) -> Vec<TargetIndex> {
        let index = self.group(group).index;
        self.memory.read().unwrap().rings[&index].iter().map(|slot| slot.current()).collect()
    }
}

fn configuration(text: &str) -> Configuration {
    config::parse(text, "test.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// A configuration with the group `web`, whose targets are `targets` (a list of strings), and what else is given.
fn web(targets: &str, more: &str) -> String {
    format!(
        "[agent]\ninterfaces = [\"eth0\"]\nzone = \"a\"\ncapacity = {{ slots = {SLOTS}, targets = 64, groups = 8, listeners = 8 }}\n\
         [[listener]]\nname = \"web\"\naddress = \"192.0.2.10\"\nprotocol = \"tcp\"\nport = 80\ntarget_group = \"web\"\n\
         [[target_group]]\nname = \"web\"\nring_size = 1024\nport = 80\ntargets = [{targets}]\n{more}"
    )
}

fn key(text: &str) -> TargetKey {
    let (group, socket) = text.split_once('/').unwrap();
    let socket: std::net::SocketAddr = socket.parse().unwrap();
    TargetKey { group: group.parse().unwrap(), address: socket.ip(), port: socket.port() }
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn hop(last: u8) -> NextHop {
    NextHop {
        interface: 2,
        interface_name: "eth0".into(),
        source_mac: [2, 0, 0, 0, 0, 1],
        source: "10.0.0.254".parse().unwrap(),
        gateway: None,
        mac: [2, 0, 0, 0, 1, last],
        mtu: 1600,
    }
}
