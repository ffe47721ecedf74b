//! Random histories of targets, flows and time against a twin of the packet path, which follows the rules by words of
//! its own: no live flow on a target that may serve it ever moves, transitions end, and pins are given up in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nlb_common::address::Address;
use nlb_common::flow::{Pin, Tracking};
use nlb_common::hash::Flow;
use nlb_common::slot::{Slot, TargetIndex};
use proptest::prelude::*;

use super::clock::PacketClock;
use super::pins::{Place, Verdict, judge};
use super::step::{Circumstances, may_lose_pins, step};
use super::sweep::Sweep;
use crate::control::target_set::TargetSet;
use crate::dataplane::{FlowTable, PinPlace};
use crate::model::Timestamp;

const SLOTS: usize = 2;
const TARGETS: u32 = 3;
const IDLE: u32 = 60;
/// Seconds that a handshake takes at most here.
const HANDSHAKE: u64 = 60;

#[derive(Clone, Debug)]
enum Act {
    /// New flows of a slot go to that target, or to none.
    Turn {
        slot: usize,
        target: u32,
    },
    Kill(u32),
    Revive(u32),
    /// Its entry goes away, as at the end of a drain.
    Remove(u32),
    /// A flow begins in that slot.
    Begin(usize),
    /// The client's answer to the SYN-ACK, or data.
    Packet(prop::sample::Index),
    Fin(prop::sample::Index),
    Reset(prop::sample::Index),
    Silence(prop::sample::Index),
    Wait(u64),
    BeginSweep,
    Batch(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let index = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (0..SLOTS, 0..=TARGETS).prop_map(|(slot, target)| Act::Turn { slot, target }),
        1 => (1..=TARGETS).prop_map(Act::Kill),
        2 => (1..=TARGETS).prop_map(Act::Revive),
        1 => (1..=TARGETS).prop_map(Act::Remove),
        5 => (0..SLOTS).prop_map(Act::Begin),
        6 => index().prop_map(Act::Packet),
        1 => index().prop_map(Act::Fin),
        1 => index().prop_map(Act::Reset),
        1 => index().prop_map(Act::Silence),
        4 => prop_oneof![1_u64..10, 10_u64..70].prop_map(Act::Wait),
        2 => Just(Act::BeginSweep),
        4 => (1_usize..6).prop_map(Act::Batch),
    ]
}

/// A flow as its two ends see it.
#[derive(Clone, Debug)]
struct Connection {
    slot: usize,
    /// Where its SYN went: the only one who knows it.
    home: TargetIndex,
    begun: u64,
    last: u64,
    established: bool,
}

struct World {
    tracking: Tracking,
    udp: bool,
    now: u64,
    slots: Vec<Slot>,
    wanted: Vec<TargetIndex>,
    dead: BTreeSet<TargetIndex>,
    gone: BTreeSet<TargetIndex>,
    half_open: BTreeMap<u16, Pin>,
    established: BTreeMap<u16, Pin>,
    connections: BTreeMap<u16, Connection>,
    next_flow: u16,
    sweep: Option<Sweep>,
    /// What was gone when it began.
    unnamed: BTreeSet<TargetIndex>,
}

fn place(flow: u16) -> PinPlace {
    let address = Address::v4(1);
    PinPlace {
        table: FlowTable::Established,
        flow: Flow {
            source: address,
            destination: address,
            source_port: flow,
            destination_port: 0,
            protocol: 6,
            padding: [0; 3],
        },
    }
}

impl World {
    fn new(tracking: Tracking, udp: bool) -> Self {
        let mut world = Self {
            tracking,
            udp,
            now: 16_000,
            slots: vec![Slot::EMPTY; SLOTS],
            wanted: vec![1, 2],
            dead: BTreeSet::new(),
            gone: BTreeSet::new(),
            half_open: BTreeMap::new(),
            established: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_flow: 1,
            sweep: None,
            unnamed: BTreeSet::new(),
        };
        world.reconcile();
        world
    }

    fn clock(&self) -> (PacketClock, Timestamp) {
        let now = Timestamp::from_epoch(Duration::from_secs(self.now));
        (PacketClock::new(Timestamp::default(), Duration::ZERO), now)
    }

    fn serves(&self, target: TargetIndex) -> bool {
        target != 0 && !self.dead.contains(&target) && !self.gone.contains(&target)
    }

    /// What the agent does after each event.
    fn reconcile(&mut self) {
        let (clock, now) = self.clock();
        let (dead, gone) = (self.dead.clone(), self.gone.clone());
        let circumstances = Circumstances {
            serves: &|target| target != 0 && !dead.contains(&target) && !gone.contains(&target),
            exists: &|target| target != 0 && !gone.contains(&target),
            tracking: self.tracking,
            idle: IDLE,
            now: clock.tick(now),
        };
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let next = step(*slot, self.wanted[index], &circumstances);
            if next != *slot {
                *slot = next;
                if let Some(sweep) = &mut self.sweep {
                    sweep.touch(u32::try_from(index).unwrap());
                }
            }
        }
    }

    /// A packet as the packet path sees it: `opens` is a SYN.
    fn packet(&mut self, id: u16, slot: usize, opens: bool, fin: bool) -> TargetIndex {
        let word = self.slots[slot];
        let seen = u32::try_from(self.now).unwrap();
        if !word.is_open() && !word.is_pinned() {
            return word.current();
        }
        let pin = |target| Pin { target, slot: u32::try_from(slot).unwrap(), seen, flags: 0 };
        let half = self.half_open.get(&id).copied();
        if let Some(known) = self.established.get(&id).copied().or(half) {
            if self.serves(known.target) {
                let mut fresh = Pin { seen, ..known };
                if fin {
                    fresh.flags |= Pin::FIN;
                }
                if !opens || !self.half_open.contains_key(&id) {
                    self.half_open.remove(&id);
                    self.established.insert(id, fresh);
                }
                return known.target;
            }
            self.half_open.remove(&id);
            let again = pin(word.current());
            self.established.insert(id, again);
            return again.target;
        }
        let all = self.tracking == Tracking::All;
        if opens || (self.udp && all) {
            if all || (word.is_open() && word.current() != word.previous()) {
                let table = if self.udp { &mut self.established } else { &mut self.half_open };
                table.insert(id, pin(word.current()));
            }
            return word.current();
        }
        if !word.is_open() {
            if all {
                self.established.insert(id, pin(word.current()));
            }
            return word.current();
        }
        let target = if self.serves(word.previous()) { word.previous() } else { word.current() };
        self.established.insert(id, pin(target));
        target
    }

    fn end_flows_of(&mut self, target: TargetIndex) {
        self.connections.retain(|_, connection| connection.home != target);
    }

    fn pick(&self, index: prop::sample::Index) -> Option<u16> {
        let ids: Vec<u16> = self.connections.keys().copied().collect();
        (!ids.is_empty()).then(|| *index.get(&ids))
    }

    /// Sends a packet of a live flow, which must reach its home.
    fn send(&mut self, id: u16, fin: bool) -> Result<(), TestCaseError> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        connection.last = self.now;
        connection.established = true;
        let (slot, home) = (connection.slot, connection.home);
        let target = self.packet(id, slot, false, fin);
        prop_assert_eq!(target, home, "flow {} of slot {} {:?} moved at {}", id, slot, self.slots[slot], self.now);
        Ok(())
    }

    /// Live flows are never silent for longer than the idle timeout, and handshakes end.
    fn wait(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        for _ in 0..seconds {
            self.now += 1;
            let due: Vec<u16> = self
                .connections
                .iter()
                .filter(|(_, c)| {
                    let patience = if c.established { u64::from(IDLE) } else { HANDSHAKE };
                    self.now - c.last >= patience || (!c.established && self.now - c.begun >= HANDSHAKE)
                })
                .map(|(id, _)| *id)
                .collect();
            for id in due {
                self.send(id, false)?;
            }
            self.reconcile();
        }
        Ok(())
    }

    fn begin(&mut self, slot: usize) {
        let id = self.next_flow;
        self.next_flow += 1;
        let home = self.packet(id, slot, true, false);
        if self.serves(home) {
            self.connections
                .insert(id, Connection { slot, home, begun: self.now, last: self.now, established: self.udp });
        }
    }

    fn begin_sweep(&mut self) {
        let (clock, now) = self.clock();
        if self.sweep.is_some() {
            return;
        }
        let tick = clock.tick(now);
        let candidates = (0_u32..).zip(&self.slots).filter(|(_, slot)| may_lose_pins(**slot, IDLE, tick));
        self.unnamed = self.gone.clone();
        self.sweep = Some(Sweep::new(candidates.map(|(index, _)| index).collect(), vec![], TargetSet::default(), now));
    }

    /// One batch in the order of the flows' numbers; a pin that comes behind the sweep's back is not seen.
    fn batch(&mut self, limit: usize) -> Result<(), TestCaseError> {
        let (_, now) = self.clock();
        let Some(mut sweep) = self.sweep.take() else { return Ok(()) };
        if now < sweep.looks_at {
            self.sweep = Some(sweep);
            return Ok(());
        }
        let after = sweep.after.map_or(0, |place| place.flow.source_port);
        let read: Vec<(u16, Pin)> =
            self.established.range(after + 1..).take(limit).map(|(id, pin)| (*id, *pin)).collect();
        for &(id, pin) in &read {
            sweep.after = Some(place(id));
            let slot = self.slots[pin.slot as usize];
            let facts = Place { slot, tracking: self.tracking, idle: IDLE, exists: !self.gone.contains(&pin.target) };
            match judge(&pin, &facts, u32::try_from(self.now).unwrap()) {
                Verdict::Keep => sweep.keep(0, pin.slot, pin.target),
                Verdict::Idle | Verdict::Needless | Verdict::Gone => drop(self.established.remove(&id)),
            }
        }
        if read.len() == limit {
            self.sweep = Some(sweep);
            return Ok(());
        }
        let named: Vec<_> = self.established.values().filter(|pin| self.unnamed.contains(&pin.target)).collect();
        prop_assert!(named.is_empty(), "a number could be given to another target: {:?}", named);
        if self.tracking != Tracking::All {
            for &slot in sweep.without_pins() {
                self.slots[slot as usize] = self.slots[slot as usize].with_pins(false);
            }
        }
        Ok(())
    }

    /// A whole sweep while nothing else happens.
    fn sweep_all(&mut self) -> Result<(), TestCaseError> {
        self.sweep = None;
        self.begin_sweep();
        self.wait(2)?;
        while self.sweep.is_some() {
            self.batch(3)?;
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match *act {
            Act::Turn { slot, target } if target == 0 || self.serves(target) => self.wanted[slot] = target,
            Act::Turn { .. } => {}
            Act::Kill(target) | Act::Remove(target) => {
                if matches!(act, Act::Kill(_)) {
                    self.dead.insert(target)
                } else {
                    self.gone.insert(target)
                };
                self.end_flows_of(target);
                let spare = (1..=TARGETS).find(|&other| self.serves(other)).unwrap_or(0);
                self.wanted.iter_mut().filter(|wanted| **wanted == target).for_each(|wanted| *wanted = spare);
            }
            Act::Revive(target) => drop(self.dead.remove(&target)),
            Act::Begin(slot) => self.begin(slot),
            Act::Packet(index) => self.pick(index).map_or(Ok(()), |id| self.send(id, false))?,
            Act::Fin(index) => {
                if let Some(id) = self.pick(index) {
                    self.send(id, true)?;
                    self.connections.remove(&id);
                }
            }
            Act::Reset(index) => {
                if let Some(id) = self.pick(index) {
                    self.send(id, false)?;
                    self.connections.remove(&id);
                    self.established.remove(&id);
                }
            }
            Act::Silence(index) => drop(self.pick(index).map(|id| self.connections.remove(&id))),
            Act::Wait(seconds) => self.wait(seconds)?,
            Act::BeginSweep => self.begin_sweep(),
            Act::Batch(limit) => self.batch(limit)?,
        }
        self.reconcile();
        // A number may be given to another target as soon as no slot names it.
        let names = |target| self.slots.iter().any(|slot| slot.current() == target || slot.previous() == target);
        prop_assert!(!self.gone.iter().any(|&target| names(target)), "{:?}", self.slots);
        Ok(())
    }

    /// Without further changes: every slot closes, and once all flows have ended no slot has pins.
    fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        self.wait(u64::from(IDLE) * 2)?;
        prop_assert!(self.slots.iter().all(|slot| !slot.is_open()), "{:?}", self.slots);
        self.sweep_all()?;
        let needless = |pin: &&Pin| self.slots[pin.slot as usize].current() == pin.target;
        let needless = self.established.values().filter(needless).count();
        prop_assert!(self.tracking == Tracking::All || needless == 0, "{:?}", self.established);
        self.connections.clear();
        for _ in 0..2 {
            self.wait(u64::from(IDLE) + 70)?;
            self.sweep_all()?;
        }
        prop_assert!(self.established.is_empty(), "{:?}", self.established);
        if self.tracking == Tracking::Transition {
            prop_assert!(self.slots.iter().all(|slot| slot.is_steady()), "{:?}", self.slots);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn no_live_flow_on_a_live_target_ever_moves(
        acts in prop::collection::vec(act(), 1..150),
        (tracking, udp) in prop::sample::select(vec![(Tracking::Transition, false), (Tracking::All, false), (Tracking::All, true)]),
    ) {
        let mut world = World::new(tracking, udp);
        for act in &acts {
            world.act(act)?;
        }
        world.come_to_rest()?;
    }
}
