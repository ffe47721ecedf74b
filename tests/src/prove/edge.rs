//! An edge: the agent's state over the tables of a loaded program, driven as its owner does.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use nlb_common::hash::HashKeys;
use nlb_userspace::config;
use nlb_userspace::control::event::{Health, HealthReport};
use nlb_userspace::control::{Beginning, Change, Event, Kept, NextHop, State, plan};
use nlb_userspace::dataplane::{PinBatch, PinPlace, Tables, Write};
use nlb_userspace::model::{Configuration, TargetKey};

use super::clock::Clock;
use super::tables::{Loaded, ROOM};
use crate::packets::Described;
use crate::run::{Action, INGRESS, Ran};

/// The seed that all edges share.
pub const SEED: u64 = 7;
/// The service that clients talk to.
pub const VIP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// Its port.
pub const PORT: u16 = 80;
/// Pins that a sweep reads at a time: a few, so that a sweep has many batches.
const BATCH: usize = 3;

/// What all edges of a history are configured with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The listener is TCP, or else UDP.
    pub tcp: bool,
    /// Packets travel by GUE, or else by IP in IP.
    pub gue: bool,
    /// Every flow is remembered.
    pub all: bool,
    /// Flows are cut when a drain is over.
    pub cut: bool,
    /// Seconds that a drain lasts.
    pub delay: u32,
    /// How many targets the file has.
    pub targets: u8,
}

/// Seconds after which a silent flow is over.
pub const IDLE: u32 = 60;

impl Settings {
    fn configuration(&self) -> Configuration {
        let targets: Vec<String> = (1..=self.targets).map(|number| format!("10.0.0.{number}:80")).collect();
        let protocol = if self.tcp { "tcp" } else { "udp" };
        let text = format!(
            "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\nring_size = 256\n\
             idle_timeout = '{IDLE}s'\nderegistration_delay = '{}s'\nconnection_termination = {}\n\
             tracking = '{}'\nforwarding = '{}'\ntargets = {targets:?}\n\
             [[listener]]\naddress = '{VIP}'\nprotocol = '{protocol}'\nport = {PORT}\ntarget_group = 'g'",
            self.delay,
            self.cut,
            if self.all { "all" } else { "transition" },
            if self.gue { "gue" } else { "ipip" },
        );
        let mut configuration = config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"));
        configuration.agent.capacity.slots = ROOM;
        configuration.agent.capacity.targets = 60;
        configuration
    }
}

/// The name of target `number`.
pub fn key(number: u8) -> TargetKey {
    TargetKey { group: "g".parse().expect("a name"), address: Ipv4Addr::new(10, 0, 0, number).into(), port: PORT }
}

fn hop() -> NextHop {
    NextHop {
        interface: INGRESS,
        interface_name: "e".to_owned(),
        source_mac: [2; 6],
        source: Ipv4Addr::new(10, 0, 0, 254).into(),
        gateway: None,
        mac: [4; 6],
        mtu: 1500,
    }
}

/// What became of a packet, as the network behind the edge sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In a tunnel to that target, with another one named for a second chance.
    Target(u8, Option<u8>),
    /// A reset to the client.
    Reset,
    /// Thrown away.
    Dropped,
}

/// An edge.
pub struct Edge<'a> {
    loaded: &'a mut Loaded,
    settings: Settings,
    state: State,
    /// What the agent takes the tables for.
    tables: Tables,
    /// Each target's health as checks find it, by number.
    health: Vec<Option<Health>>,
    /// The agent dies after so many writes.
    crash_after: Option<usize>,
}

impl<'a> Edge<'a> {
    /// An agent that begins with empty tables, and whose targets come up.
    pub fn new(loaded: &'a mut Loaded, settings: &Settings, clock: Clock) -> Result<Self> {
        loaded.clear()?;
        let kept = Kept { seed: SEED, ..Kept::default() };
        let state = begin(settings, kept, &Tables::default(), clock);
        let health = vec![None; usize::from(u8::MAX)];
        let mut edge =
            Self { loaded, settings: *settings, state, tables: Tables::default(), health, crash_after: None };
        for number in 1..=settings.targets {
            edge.health[usize::from(number)] = Some(Health::Healthy);
        }
        edge.report_all(clock)?;
        Ok(edge)
    }

    /// Writes what the state asks for, or some of it when the agent is to die meanwhile.
    fn reconcile(&mut self, clock: Clock) -> Result<()> {
        let (desired, _) = self.state.rebuild(clock.now());
        let mut writes = plan(&self.tables, &desired);
        if let Some(lived) = self.crash_after.take() {
            writes = writes.into_iter().flat_map(smaller).take(lived).collect();
            self.loaded.apply(&writes)?;
            return self.restart(clock);
        }
        self.loaded.apply(&writes)?;
        self.tables = desired;
        self.state.settle();
        Ok(())
    }

    /// The agent dies, and the next one begins with the tables as they are.
    pub fn restart(&mut self, clock: Clock) -> Result<()> {
        let kept = Kept { seed: SEED, overlay: self.state.overlay().clone(), drains: self.state.drains().clone() };
        self.tables = self.loaded.read()?;
        self.state = begin(&self.settings, kept, &self.tables, clock);
        self.reconcile(clock)?;
        self.report_all(clock)
    }

    /// The agent will die after so many writes of its next change.
    pub const fn crash_after(&mut self, writes: usize) {
        self.crash_after = Some(writes);
    }

    /// All checks report what they find.
    fn report_all(&mut self, clock: Clock) -> Result<()> {
        self.resolve(clock);
        for number in 1..u8::MAX {
            if let Some(health) = self.health[usize::from(number)] {
                self.report(number, health, clock);
            }
        }
        self.reconcile(clock)
    }

    fn resolve(&mut self, clock: Clock) {
        for address in self.state.addresses() {
            self.state.handle(Event::NextHop(address, Ok(hop())), clock.now());
        }
    }

    fn report(&mut self, number: u8, health: Health, clock: Clock) {
        let report = HealthReport { target: key(number), health, reason: "told".to_owned() };
        self.state.handle(Event::Health(report), clock.now());
    }

    /// A target's checks find that it is, or isn't, healthy.
    pub fn found(&mut self, number: u8, health: Health, clock: Clock) -> Result<()> {
        self.health[usize::from(number)] = Some(health);
        self.report(number, health, clock);
        self.reconcile(clock)
    }

    /// An operator's change. One that is refused changes nothing: whether it was made.
    pub fn change(&mut self, change: &Change, clock: Clock) -> Result<bool> {
        let Ok(prospect) = self.state.with(change, clock.now()) else { return Ok(false) };
        self.state.set(prospect, clock.now());
        self.resolve(clock);
        self.reconcile(clock)?;
        Ok(true)
    }

    /// Seconds until the agent has something to do, `None` while it has nothing.
    pub fn due(&self, clock: Clock) -> Option<u32> {
        [self.state.rebuild_due(), self.state.sweep_due()].into_iter().flatten().min().map(|due| clock.until(due))
    }

    /// What is due is done.
    pub fn work(&mut self, clock: Clock) -> Result<()> {
        if self.state.rebuild_due().is_some_and(|due| due <= clock.now()) {
            self.reconcile(clock)?;
        }
        if let Some(after) = self.state.sweep(clock.now()) {
            let batch = self.pins(after, clock)?;
            let (gone, is_last) = self.state.swept(batch, &self.tables, clock.now());
            self.loaded.unpin(&gone)?;
            if is_last {
                self.state.sweep_over(clock.now());
                self.reconcile(clock)?;
            }
        }
        Ok(())
    }

    fn pins(&mut self, after: Option<PinPlace>, clock: Clock) -> Result<PinBatch> {
        let mut pins = self.loaded.pins()?;
        pins.iter_mut().for_each(|(_, pin)| pin.seen = pin.seen.wrapping_add(clock.ahead()));
        let begin = after.map_or(0, |after| pins.partition_point(|&(place, _)| place <= after));
        let end = (begin + BATCH).min(pins.len());
        let next = (end < pins.len()).then(|| pins[end - 1].0);
        Ok((pins[begin..end].to_vec(), next))
    }

    /// Time has passed: what the kernel remembers is older.
    pub const fn age(&mut self, seconds: u32) {
        self.loaded.age(seconds);
    }

    /// A client's packet comes by this edge.
    pub fn send(&mut self, packet: &Described) -> Result<Outcome> {
        Ok(outcome(&self.loaded.run(&packet.frame())?))
    }

    /// The target that new flows of the packet's slot go to.
    pub fn named(&self, packet: &Described) -> u8 {
        let (Some(group), Some(ring)) = (self.tables.groups.values().next(), self.tables.rings.values().next()) else {
            return 0;
        };
        let index = group.slot_index(HashKeys::from_seed(SEED).hash(&packet.flow(), group.affinity()));
        let slot = ring[(index - group.first_slot) as usize];
        self.tables.targets.get(&slot.current()).map_or(0, |target| match IpAddr::from(target.destination) {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        })
    }

    /// For whoever looks for the reason of a failure: the slot of a packet, and the pins of its flow.
    pub fn described(&mut self, packet: &Described) -> String {
        let flow = packet.flow();
        let group = self.tables.groups.values().next().copied().unwrap_or_default();
        let index = group.slot_index(HashKeys::from_seed(SEED).hash(&flow, group.affinity()));
        let slot = self.tables.rings.values().next().and_then(|ring| ring.get((index - group.first_slot) as usize));
        let pins = self.loaded.pins().unwrap_or_default();
        let pin = pins.iter().find(|(place, _)| place.flow == flow);
        format!("slot {index} {slot:?}, pin {pin:?}, targets {:?}", self.tables.targets)
    }
}

/// The same in more writes: of the slots, one is written before the others.
fn smaller(write: Write) -> Vec<Write> {
    match write {
        Write::Slots(mut slots) if slots.len() > 1 => {
            let others = slots.split_off(1);
            vec![Write::Slots(slots), Write::Slots(others)]
        }
        write => vec![write],
    }
}

fn begin(settings: &Settings, kept: Kept, found: &Tables, clock: Clock) -> State {
    let beginning = Beginning { now: clock.now(), monotonic: clock.monotonic() };
    let mut state = State::new(settings.configuration(), kept, found, beginning);
    for address in state.addresses() {
        state.handle(Event::NextHop(address, Ok(hop())), clock.now());
    }
    state
}

/// Targets' addresses end in their numbers.
fn outcome(ran: &Ran) -> Outcome {
    const IP: usize = 14;
    const GUE: usize = IP + 20 + 8;
    let packet = &ran.packet;
    match (ran.action, packet.get(IP + 9)) {
        (Action::Tx, Some(4)) => Outcome::Target(packet[IP + 19], None),
        (Action::Tx, Some(17)) => {
            let second = (packet[GUE] & 0x1f == 2).then(|| packet[GUE + 4 + 7]);
            Outcome::Target(packet[IP + 19], second)
        }
        (Action::Tx, Some(6)) => Outcome::Reset,
        (Action::Drop, _) => Outcome::Dropped,
        (action, _) => panic!("{action:?} of {packet:?}"),
    }
}
