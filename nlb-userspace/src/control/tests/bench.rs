//! A state over tables in memory: the owner's work without its tasks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nlb_common::flow::Pin;
use nlb_common::hash::{Flow, HashKeys};
use nlb_common::slot::Slot;
use nlb_common::tables;

use super::super::event::{Health, HealthReport};
use super::super::snapshot::{GroupState, TargetState};
use super::super::{Beginning, Change, ChangeError, Event, Kept, NextHop, Outside, State, plan};
use crate::config;
use crate::dataplane::{Dataplane as _, FlowTable, Memory, PinPlace, Tables};
use crate::model::{Configuration, TargetKey, Timestamp};

pub(super) const SEED: u64 = 7;
pub(super) const VIP: &str = "192.0.2.1:80";
/// The monotonic clock at the beginning: close to the end of a tick's 14 bits.
const UP: Duration = Duration::from_secs(16_300);

pub(super) struct Bench {
    pub(super) state: State,
    pub(super) memory: Memory,
    pub(super) tables: Tables,
    pub(super) now: Timestamp,
}

/// A configuration of one group `g` with these settings and targets, each `a.b.c.d:port`. Its ring is Maglev's, so that shares
/// are known to the slot.
pub(super) fn configuration(settings: &str, targets: &[&str]) -> Configuration {
    configuration_with(settings, targets, "")
}

/// The same with sections of the group behind.
fn configuration_with(settings: &str, targets: &[&str], sections: &str) -> Configuration {
    let protocol = if settings.contains("udp") { "udp" } else { "tcp" };
    let size = if settings.contains("ring_size") { "" } else { "ring_size = 256" };
    let settings = settings.replace("udp", "");
    let text = format!(
        "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nring = 'maglev'\n{size}\n{settings}\ntargets = {targets:?}\n{sections}\n\
         [[listener]]\naddress = '192.0.2.1'\nprotocol = '{protocol}'\nport = 80\ntarget_group = 'g'"
    );
    config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

pub(super) fn key(target: &str) -> TargetKey {
    let socket: SocketAddr = target.parse().unwrap();
    TargetKey { group: "g".parse().unwrap(), address: socket.ip(), port: socket.port() }
}

pub(super) fn hop() -> NextHop {
    NextHop {
        interface: 1,
        interface_name: "e".to_owned(),
        source_mac: [2; 6],
        source: [10, 0, 0, 254].into(),
        gateway: None,
        mac: [4; 6],
        mtu: 1500,
    }
}

impl Bench {
    /// An agent that begins, with nothing known of its targets.
    pub(super) fn begin(settings: &str, targets: &[&str]) -> Self {
        Self::begin_with(settings, targets, "")
    }

    /// The same with sections of the group behind its settings.
    pub(super) fn begin_with(settings: &str, targets: &[&str], sections: &str) -> Self {
        Self::of(configuration_with(settings, targets, sections))
    }

    /// An agent that begins with that configuration.
    pub(super) fn of(mut configuration: Configuration) -> Self {
        let now = Timestamp::from_epoch(Duration::from_secs(1_800_000_000));
        let memory = Memory::new(1 << 12);
        configuration.agent.capacity.slots = 1 << 12;
        let kept = Kept { seed: SEED, ..Kept::default() };
        let state = State::new(configuration, kept, &Tables::default(), Beginning { now, monotonic: UP });
        let mut bench = Self { state, memory, tables: Tables::default(), now };
        bench.reconcile();
        bench
    }

    /// An agent that has run for a while; all targets are reached and healthy.
    pub(super) fn new(settings: &str, targets: &[&str]) -> Self {
        let mut bench = Self::begin(settings, targets);
        targets.iter().for_each(|target| bench.comes_up(target));
        assert!(bench.slots().iter().all(|slot| !slot.is_open()));
        bench
    }

    /// Writes what the state asks for.
    pub(super) fn reconcile(&mut self) {
        let (desired, _) = self.state.rebuild(self.now);
        self.memory.apply(&plan(&self.tables, &desired)).unwrap();
        assert_eq!(self.memory.read().unwrap(), desired);
        self.tables = desired;
        self.state.settle();
    }

    pub(super) fn health(&mut self, target: &str, health: Health) {
        let report = HealthReport { target: key(target), health, reason: "told".to_owned() };
        self.state.handle(Event::Health(report), self.now);
        self.reconcile();
    }

    pub(super) fn comes_up(&mut self, target: &str) {
        self.is_reached(target);
        self.health(target, Health::Healthy);
    }

    pub(super) fn is_reached(&mut self, target: &str) {
        let address: IpAddr = key(target).address;
        self.state.handle(Event::NextHop(address, Ok(hop())), self.now);
        self.reconcile();
    }

    pub(super) fn reload(&mut self, settings: &str, targets: &[&str]) {
        self.configure(configuration(settings, targets));
    }

    /// The file says this now.
    pub(super) fn configure(&mut self, mut configuration: Configuration) {
        configuration.agent.capacity.slots = 1 << 12;
        let prospect = self.state.under(&configuration, self.state.overlay().clone(), self.now);
        self.state.configure(configuration, prospect, self.now);
        self.reconcile();
    }

    pub(super) fn change(&mut self, change: &Change) -> Result<(), ChangeError> {
        let prospect = self.state.with(change, self.now)?;
        self.state.set(prospect, self.now);
        self.reconcile();
        Ok(())
    }

    /// The agent dies; the next one begins `down` later with the tables as they are.
    pub(super) fn restart(&mut self, settings: &str, targets: &[&str], down: Duration) {
        self.restart_with(configuration(settings, targets), down);
    }

    /// The same with any configuration.
    pub(super) fn restart_with(&mut self, mut configuration: Configuration, down: Duration) {
        let kept = Kept { seed: SEED, overlay: self.state.overlay().clone(), drains: self.state.drains().clone() };
        configuration.agent.capacity.slots = 1 << 12;
        let began = Timestamp::from_epoch(Duration::from_secs(1_800_000_000));
        self.now = self.now + down;
        let beginning = Beginning { now: self.now, monotonic: UP + self.now.since(began) };
        self.tables = self.memory.read().unwrap();
        self.state = State::new(configuration, kept, &self.tables, beginning);
        for address in self.state.addresses() {
            self.state.handle(Event::NextHop(address, Ok(hop())), self.now);
        }
        self.reconcile();
    }

    /// Time passes, and the owner does what is due when it is.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let due = [self.state.rebuild_due(), self.state.sweep_due()].into_iter().flatten().min();
            let Some(due) = due.filter(|&due| due <= end) else { break };
            self.now = self.now.max(due);
            if self.state.rebuild_due().is_some_and(|due| due <= self.now) {
                self.reconcile();
            }
            if let Some(after) = self.state.sweep(self.now) {
                let batch = self.memory.pins(after, 2).unwrap();
                let (gone, is_last) = self.state.swept(batch, &self.tables, self.now);
                self.memory.unpin(&gone).unwrap();
                if is_last {
                    self.state.sweep_over(self.now);
                    self.reconcile();
                }
            }
        }
        self.now = end;
    }

    pub(super) fn seconds(&self) -> u32 {
        let began = Timestamp::from_epoch(Duration::from_secs(1_800_000_000));
        u32::try_from((UP + self.now.since(began)).as_secs()).unwrap()
    }

    /// Pins a flow from that client's port to `target`, as the packet path would.
    pub(super) fn pin(&mut self, port: u16, target: u32) -> PinPlace {
        let destination: SocketAddr = VIP.parse().unwrap();
        let protocol = self.tables.listeners.keys().next().unwrap().protocol;
        let flow = Flow {
            source: IpAddr::from([198, 51, 100, 1]).into(),
            destination: destination.ip().into(),
            source_port: port.to_be(),
            destination_port: destination.port().to_be(),
            protocol,
            padding: [0; 3],
        };
        let table = if protocol == 6 { FlowTable::Established } else { FlowTable::Datagrams };
        let place = PinPlace { table, flow };
        let pin = Pin { target, slot: self.slot_of(place).0, seen: self.seconds(), flags: 0 };
        self.memory.pinned().push((place, pin));
        place
    }

    /// The client of that flow sends a packet.
    pub(super) fn packet(&mut self, place: PinPlace) {
        let seconds = self.seconds();
        let pin = self.memory.pinned().iter_mut().find(|(known, _)| *known == place);
        pin.expect("the flow is pinned").1.seen = seconds;
    }

    pub(super) fn is_pinned(&mut self, place: PinPlace) -> bool {
        self.memory.pinned().iter().any(|(known, _)| *known == place)
    }

    /// The slot of a flow in the tables in force.
    pub(super) fn slot_of(&self, place: PinPlace) -> (u32, Slot) {
        let group = self.tables.groups.values().next().unwrap();
        let index = group.slot_index(HashKeys::from_seed(SEED).hash(&place.flow, group.affinity()));
        (index, self.slots()[(index - group.first_slot) as usize])
    }

    pub(super) fn slots(&self) -> &[Slot] {
        self.tables.rings.values().next().unwrap()
    }

    pub(super) fn group(&self) -> GroupState {
        self.state.snapshot(Outside::default(), self.now).groups.remove(0)
    }

    pub(super) fn target(&self, target: &str) -> Option<TargetState> {
        self.group().targets.into_iter().find(|state| state.key == key(target))
    }

    /// The entry of a target that has one.
    pub(super) fn entry(&self, target: &str) -> Option<(u32, tables::Target)> {
        let tag = super::super::identity::target_tag(&key(target));
        self.tables.targets.iter().find(|(_, entry)| entry.tag == tag).map(|(index, entry)| (*index, *entry))
    }

    pub(super) fn flags(&self, target: &str) -> u8 {
        self.entry(target).expect("it has an entry").1.flags & !tables::Target::READY
    }

    pub(super) fn index(&self, target: &str) -> u32 {
        self.entry(target).expect("it has an entry").0
    }

    pub(super) fn open(&self) -> usize {
        self.slots().iter().filter(|slot| slot.is_open()).count()
    }

    pub(super) fn names(&self, index: u32) -> bool {
        self.slots().iter().any(|slot| slot.current() == index || slot.previous() == index)
    }
}
