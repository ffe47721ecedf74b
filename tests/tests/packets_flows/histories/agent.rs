//! The agent's side of a transition, as small as its rules allow, writing the real tables.

use std::collections::HashMap;

use nlb_common::flow::{Pin, Tracking};
use nlb_common::hash::Flow;
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, HALF_OPEN};
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::{Group, Target};
use nlb_tests::run::Edge;

use super::{SLOTS, TARGETS};
use crate::target;

/// A target, as far as flows care.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    /// Its flags; 0 while the number is free.
    flags: u8,
    /// How many targets had this number before.
    generation: u64,
}

impl State {
    pub(super) const fn serves(self) -> bool {
        self.flags != 0 && self.flags & Target::DEAD == 0
    }

    pub(super) const fn takes_new_flows(self) -> bool {
        self.flags == Target::READY
    }

    pub(super) const fn is_over(self) -> bool {
        self.serves() && self.flags & Target::RESET != 0
    }
}

pub(super) struct Agent<'a> {
    edge: &'a mut Edge,
    tracking: [Tracking; 2],
    slots: [Slot; SLOTS],
    /// When each slot was opened.
    opened: [u32; SLOTS],
    targets: [State; TARGETS as usize + 1],
}

/// Where the slots are.
fn place(slot: usize) -> u32 {
    100 + u32::try_from(slot).unwrap()
}

impl<'a> Agent<'a> {
    /// Everything as it begins: all targets ready, all slots steady.
    pub(super) fn new(edge: &'a mut Edge, tracking: [Tracking; 2]) -> Self {
        for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
            for flow in edge.pins(table).unwrap().into_keys() {
                edge.remove_pin(table, &flow).unwrap();
            }
        }
        let half = SLOTS / 2;
        for (index, tracking) in (0..).zip(tracking) {
            let first_slot = place(index as usize * half);
            let slot_mask = u32::try_from(half).unwrap() - 1;
            let group = Group { tag: 1, first_slot, slot_mask, tracking: tracking as u8, ..Group::default() };
            edge.set_group(index + 1, group).unwrap();
        }
        let mut agent = Self {
            edge,
            tracking,
            slots: [Slot::EMPTY; SLOTS],
            opened: [0; SLOTS],
            targets: [State { flags: Target::READY, generation: 0 }; TARGETS as usize + 1],
        };
        agent.targets[0] = State::default();
        for index in 1..=TARGETS {
            agent.write_target(index);
        }
        for slot in 0..SLOTS {
            agent.write(slot, Slot::closed(1, 0));
        }
        agent
    }

    pub(super) fn edge(&self) -> &Edge {
        self.edge
    }

    pub(super) fn targets(&self) -> &[State] {
        &self.targets
    }

    pub(super) fn slot(&self, slot: usize) -> Slot {
        self.slots[slot]
    }

    /// When the slot's transition began, if it is in one and not all of its flows are remembered anyhow.
    pub(super) fn in_transition_since(&self, slot: usize) -> Option<u32> {
        (self.slots[slot].is_open() && !self.remembers_all(slot)).then(|| self.opened[slot])
    }

    fn remembers_all(&self, slot: usize) -> bool {
        self.tracking[slot / (SLOTS / 2)] == Tracking::All
    }

    fn write(&mut self, slot: usize, value: Slot) {
        let value = value.with_pins(value.is_pinned() || self.remembers_all(slot));
        self.slots[slot] = value;
        self.edge.set_slot(place(slot), value).unwrap();
    }

    fn write_target(&mut self, index: u32) {
        let State { flags, generation } = self.targets[index as usize];
        let entry = Target { flags, tag: target(index).tag + 0x100 * generation, ..target(index) };
        self.edge.set_target(index, if flags == 0 { Target::default() } else { entry }).unwrap();
    }

    fn set_flags(&mut self, index: u32, flags: u8) {
        self.targets[index as usize].flags = flags;
        self.write_target(index);
    }

    fn flags(&self, index: u32) -> u8 {
        self.targets[index as usize].flags
    }

    /// A target that takes new flows, other than `index`.
    fn another(&self, index: u32) -> Option<u32> {
        (1..=TARGETS)
            .map(|offset| (index + offset - 1) % TARGETS + 1)
            .find(|&other| other != index && self.targets[other as usize].takes_new_flows())
    }

    pub(super) fn set_current(&mut self, slot: usize, new: u32, time: u32) {
        let old = self.slots[slot];
        let current = old.current();
        if new == current || !self.targets[new as usize].takes_new_flows() {
            return;
        }
        let value = if old.is_open() {
            let changed = old.with_current(new);
            if new == old.previous() { changed.close() } else { changed }
        } else if self.targets[current as usize].serves() {
            self.opened[slot] = time;
            Slot::open(new, current, Tick::at(time.into()))
        } else {
            old.with_current(new)
        };
        self.write(slot, value);
    }

    /// Gives the slots of a target that gets no new flows to others.
    fn evacuate(&mut self, index: u32, time: u32) {
        for slot in 0..SLOTS {
            if self.slots[slot].current() == index
                && let Some(other) = self.another(index)
            {
                self.set_current(slot, other, time);
            }
        }
    }

    fn close_all_from(&mut self, index: u32) {
        for slot in 0..SLOTS {
            if self.slots[slot].is_open() && self.slots[slot].previous() == index {
                self.write(slot, self.slots[slot].close());
            }
        }
    }

    /// When the slot that is closed now was opened; `None` if it was closed already.
    pub(super) fn close(&mut self, slot: usize) -> Option<u32> {
        let open = self.slots[slot].is_open();
        self.write(slot, self.slots[slot].close());
        open.then_some(self.opened[slot])
    }

    /// Removes the pins of a closed slot that are needless or of flows that have ended. It is longer ago than a handshake
    /// takes that the slot was closed.
    pub(super) fn sweep(&mut self, slot: usize, lives: impl Fn(&Flow) -> bool) {
        let value = self.slots[slot];
        if value.is_open() {
            return;
        }
        let mut elsewhere = false;
        for table in [ESTABLISHED, DATAGRAMS] {
            for (flow, pin) in self.pins(table, |pin| pin.slot == place(slot)) {
                let needless = pin.target == value.current() && !self.remembers_all(slot);
                if needless || !lives(&flow) {
                    self.edge.remove_pin(table, &flow).unwrap();
                } else {
                    elsewhere |= pin.target != value.current();
                }
            }
        }
        for (flow, pin) in self.pins(HALF_OPEN, |pin| pin.slot == place(slot)) {
            // The kernel's clock may be younger than a handshake; its seconds are compared as numbers that wrap.
            let seen = pin.seen.wrapping_sub(Pin::HANDSHAKE + 1);
            self.edge.set_pin(HALF_OPEN, flow, Pin { seen, ..pin }).unwrap();
        }
        self.write(slot, value.with_pins(elsewhere));
    }

    fn pins(&self, table: &str, which: impl Fn(&Pin) -> bool) -> HashMap<Flow, Pin> {
        self.edge.pins(table).unwrap().into_iter().filter(|(_, pin)| which(pin)).collect()
    }

    pub(super) fn drain(&mut self, index: u32, time: u32) {
        if self.targets[index as usize].takes_new_flows() && self.another(index).is_some() {
            self.set_flags(index, Target::READY | Target::DRAINING);
            self.evacuate(index, time);
        }
    }

    pub(super) fn reset(&mut self, index: u32) {
        if self.flags(index) == Target::READY | Target::DRAINING {
            self.set_flags(index, self.flags(index) | Target::RESET);
        }
    }

    /// Whether it was there and is gone.
    pub(super) fn remove(&mut self, index: u32) -> bool {
        let draining = self.flags(index) & Target::DRAINING != 0;
        if draining {
            self.close_all_from(index);
            for table in [ESTABLISHED, DATAGRAMS] {
                for flow in self.pins(table, |pin| pin.target == index).into_keys() {
                    self.edge.remove_pin(table, &flow).unwrap();
                }
            }
            self.set_flags(index, 0);
        }
        draining
    }

    pub(super) fn add(&mut self, index: u32) {
        if self.flags(index) == 0 {
            self.targets[index as usize].generation += 1;
            self.set_flags(index, Target::READY);
        }
    }

    /// Whether it lived and is dead.
    pub(super) fn kill(&mut self, index: u32, time: u32) -> bool {
        let dies = self.targets[index as usize].serves() && self.another(index).is_some();
        if dies {
            self.set_flags(index, self.flags(index) | Target::DEAD);
            self.close_all_from(index);
            self.evacuate(index, time);
        }
        dies
    }

    pub(super) fn revive(&mut self, index: u32) {
        self.set_flags(index, self.flags(index) & !Target::DEAD);
    }
}
