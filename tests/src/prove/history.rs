//! A history: its steps, and how it is lived through.

use anyhow::Result;
use nlb_common::hash::{Affinity, HashKeys};
use nlb_userspace::control::Change;
use nlb_userspace::control::event::Health;
use nlb_userspace::model::{Target, Weight};

use super::clock::Clock;
use super::edge::{Edge, PORT, SEED, Settings, VIP, key};
use super::oracle::{Oracle, Seat};
use super::tables::Loaded;
use crate::packets::{Described, Segment};

/// Edges, which share their configuration and nothing else.
pub const EDGES: usize = 2;
/// Flows. Those of even numbers are never silent for long.
pub const FLOWS: usize = 12;
/// Targets' largest number.
pub const TARGETS: u8 = 6;
/// Slots that have flows.
const SLOTS: usize = 3;
/// Seconds that a talkative flow is silent for at most.
const CHATTER: u32 = 20;
/// Slots of the ring.
const RING: u64 = 256;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A client sends a packet.
    Packet(usize, Segment),
    /// A client's packets come by the other edge, from this one on.
    Move(usize),
    /// Time passes.
    Wait(u32),
    /// The checks of a target fail.
    Kill(u8),
    /// The checks of a target pass.
    Revive(u8),
    /// A target is drained by command.
    Drain(u8),
    /// Its drain ends.
    Undrain(u8),
    /// A target is deregistered.
    Remove(u8),
    /// A target is registered, and its checks pass.
    Add(u8),
    /// A target is given another weight.
    Weight(u8, u16),
    /// An agent dies; the next one begins.
    Restart(usize),
    /// An agent will die within the next change, after so many of its writes.
    Crash(usize, usize),
}

/// A flow's name on the wire.
#[derive(Clone, Copy, Debug)]
struct Client {
    port: u16,
    edge: usize,
    /// It was at more than one edge, one of which may remember it.
    travelled: bool,
}

/// What goes on.
struct Life<'a> {
    edges: Vec<Edge<'a>>,
    oracle: Oracle,
    clock: Clock,
    tcp: bool,
    clients: Vec<Client>,
    last_port: u16,
}

/// Lives through a history. The error is what broke.
pub fn live(loaded: &mut [Loaded], settings: &Settings, history: &[Step]) -> Result<(), String> {
    let mut life = Life::new(loaded, settings).map_err(|error| format!("{error:#}"))?;
    for (number, step) in (1..).zip(history) {
        life.step(*step).map_err(|error| format!("step {number}, {step:?}: {error:#}"))?;
    }
    life.wait(CHATTER).map_err(|error| format!("at the end: {error:#}"))
}

fn hash_slot(packet: &Described) -> u64 {
    HashKeys::from_seed(SEED).hash(&packet.flow(), Affinity::Flow) % RING
}

impl<'a> Life<'a> {
    fn new(loaded: &'a mut [Loaded], settings: &Settings) -> Result<Self> {
        let clock = Clock::default();
        let edges = loaded.iter_mut().map(|loaded| Edge::new(loaded, settings, clock)).collect::<Result<Vec<_>>>()?;
        let mut oracle = Oracle::new(FLOWS, settings);
        (1..=settings.targets).for_each(|target| oracle.registered(target));
        let mut life = Self { edges, oracle, clock, tcp: settings.tcp, clients: Vec::new(), last_port: 1_024 };
        for flow in 0..FLOWS {
            let port = life.next_port(flow % SLOTS);
            life.clients.push(Client { port, edge: 0, travelled: false });
        }
        life.wait(600)?;
        Ok(life)
    }

    /// A client's port that nobody has had yet, of a flow in that one of the slots.
    fn next_port(&mut self, slot: usize) -> u16 {
        loop {
            self.last_port += 1;
            if hash_slot(&self.packet(self.last_port, Segment::Syn)) == slot as u64 {
                return self.last_port;
            }
        }
    }

    fn packet(&self, port: u16, segment: Segment) -> Described {
        let mut packet = Described::new(VIP.into(), PORT, if self.tcp { segment } else { Segment::Udp });
        packet.source.1 = port;
        packet.payload = 1;
        packet
    }

    fn send(&mut self, flow: usize, segment: Segment, came: bool) -> Result<()> {
        let opens = self.tcp && segment == Segment::Syn || !self.oracle.lives(flow);
        if opens && self.clients[flow].travelled {
            let port = self.next_port(flow % SLOTS);
            self.clients[flow] = Client { port, travelled: false, ..self.clients[flow] };
        }
        let client = self.clients[flow];
        let packet = self.packet(client.port, segment);
        let outcome = self.edges[client.edge].send(&packet)?;
        let seat = Seat { edge: client.edge, slot: flow % SLOTS };
        let now = self.clock.seconds();
        self.oracle.now_is(now);
        let sent = self.oracle.sent(flow, packet.segment, (seat, came), outcome, now);
        sent.map_err(|broken| {
            let described = self.edges[client.edge].described(&packet);
            anyhow::anyhow!("flow {flow} at edge {} at {now}: {broken}\n{described}", client.edge)
        })
    }

    fn all_edges(&mut self, mut act: impl FnMut(&mut Edge<'a>, Clock) -> Result<()>) -> Result<()> {
        let clock = self.clock;
        self.edges.iter_mut().try_for_each(|edge| act(edge, clock))
    }

    fn change(&mut self, change: &Change) -> Result<bool> {
        let mut made = false;
        self.all_edges(|edge, clock| {
            made |= edge.change(change, clock)?;
            Ok(())
        })?;
        Ok(made)
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.oracle.now_is(self.clock.seconds());
        match step {
            Step::Packet(flow, segment) => self.send(flow, segment, false)?,
            Step::Move(flow) if self.oracle.lives(flow) => {
                let client = &mut self.clients[flow];
                client.edge = (client.edge + 1) % EDGES;
                client.travelled = true;
                self.send(flow, Segment::Data, true)?;
            }
            Step::Wait(seconds) => self.wait(seconds)?,
            Step::Kill(target) if self.oracle.is_registered(target) => {
                self.oracle.found(target, false);
                self.all_edges(|edge, clock| edge.found(target, Health::Unhealthy, clock))?;
            }
            Step::Revive(target) if self.oracle.is_registered(target) => {
                self.all_edges(|edge, clock| edge.found(target, Health::Healthy, clock))?;
                self.oracle.found(target, true);
            }
            Step::Drain(target) => {
                if self.change(&Change::Drain { target: key(target) })? {
                    self.oracle.drained(target, true, self.clock.seconds());
                }
            }
            Step::Undrain(target) if self.oracle.is_registered(target) => {
                if self.change(&Change::Undrain { target: key(target) })? {
                    self.oracle.undrained(target);
                }
            }
            Step::Remove(target) => {
                if self.change(&Change::Deregister { target: key(target) })? {
                    self.oracle.drained(target, false, self.clock.seconds());
                }
            }
            Step::Add(target) if !self.oracle.is_registered(target) => {
                let name = key(target);
                let registered = Target {
                    address: name.address,
                    port: name.port,
                    zone: None,
                    weight: Weight::default(),
                    quic_server_id: None,
                };
                if self.change(&Change::Register { group: name.group, target: registered })? {
                    self.all_edges(|edge, clock| edge.found(target, Health::Healthy, clock))?;
                    self.oracle.registered(target);
                }
            }
            Step::Weight(target, weight) => {
                let weight = Weight::new(weight).unwrap_or_default();
                self.change(&Change::SetWeight { target: key(target), weight })?;
            }
            Step::Restart(edge) => self.edges[edge].restart(self.clock)?,
            Step::Crash(edge, writes) => self.edges[edge].crash_after(writes),
            Step::Move(_) | Step::Kill(_) | Step::Revive(_) | Step::Undrain(_) | Step::Add(_) => {}
        }
        self.look();
        Ok(())
    }

    /// What slots name is told the oracle.
    fn look(&mut self) {
        let now = self.clock.seconds();
        for edge in 0..self.edges.len() {
            for slot in 0..SLOTS {
                let named = self.edges[edge].named(&self.packet(self.clients[slot].port, Segment::Syn));
                self.oracle.names(Seat { edge, slot }, named, now);
            }
        }
    }

    /// Time passes; agents do what is due when it is, and talkative clients talk.
    fn wait(&mut self, seconds: u32) -> Result<()> {
        let end = self.clock.seconds() + seconds;
        loop {
            let now = self.clock.seconds();
            for flow in (0..FLOWS).step_by(2) {
                if self.oracle.silence(flow, now).is_some_and(|silent| silent >= CHATTER) {
                    self.send(flow, Segment::Data, false)?;
                }
            }
            if now >= end {
                return Ok(());
            }
            let due = self.edges.iter().filter_map(|edge| edge.due(self.clock)).min().unwrap_or(CHATTER);
            let step = due.clamp(1, CHATTER).min(end - now);
            self.clock.wait(step);
            self.edges.iter_mut().for_each(|edge| edge.age(step));
            self.oracle.now_is(self.clock.seconds());
            self.all_edges(Edge::work)?;
            self.look();
        }
    }
}
