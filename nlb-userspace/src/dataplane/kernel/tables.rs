//! The tables of a set, read and written.
//!
//! The invariant: what a packet may still reach is not handed to another. A program that runs on another CPU has perhaps
//! read a slot, a group or a listener that has been rewritten since, and is about to look up what that named. So entries
//! are emptied only after a [`Grace`] period, and an entry that isn't empty is never given to another owner without one.

use std::sync::atomic::Ordering;

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, MapError};
use nlb_common::active::Sketch;
use nlb_common::address::Address;
use nlb_common::guard::Guard;
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_common::quic::ServerKey;
use nlb_common::ranges::RangesKey;
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};

use super::KernelError;
use super::access::Access;
use super::counters::CounterTables;
use super::entries::{read_group, read_target, write_group, write_target};
use super::gateways::Gateways;
use super::grace::Grace;
use super::hash_table::HashTable;
use super::known::{Kind, Known};
use super::listeners::Listeners;
use super::mapped::{Mapped, to_usize};
use super::ranges::RangeTable;
use super::sketches::Sketches;
use crate::dataplane::{CounterReading, DataplaneError, SketchOf, Tables, Write};

/// The maps of one set, open.
pub(super) struct KernelTables {
    listeners: Listeners,
    ranges: RangeTable,
    gateways: Gateways,
    vips: HashTable<Address, Vip>,
    shielded: HashTable<Address, u8>,
    quic_servers: HashTable<ServerKey, TargetIndex>,
    known: Known,
    groups: Mapped,
    slots: Mapped,
    targets: Mapped,
    access: Access,
    guards: Mapped,
    counters: CounterTables,
    sketches: Sketches,
    traced_flow: Array<MapData, Flow>,
    seed: Array<MapData, u64>,
    grace: Grace,
    /// Something has been rewritten since the last grace period that named what is emptied next.
    unsettled: bool,
}

impl KernelTables {
    /// Takes the maps out of a loaded object: tables for so many listeners.
    pub(super) fn take(object: &mut Ebpf, listeners: u32) -> Result<Self, KernelError> {
        let grace = Grace::new()?;
        let table = Mapped::new(map(object, edge::LISTENERS)?, edge::LISTENERS, "listeners")?;
        Ok(Self {
            listeners: Listeners::take(table, listeners, &grace)?,
            ranges: RangeTable::take(object)?,
            gateways: Gateways::take(object)?,
            vips: HashTable::take(object, edge::VIPS)?,
            shielded: HashTable::take(object, edge::SHIELDED)?,
            quic_servers: HashTable::take(object, edge::QUIC_SERVERS)?,
            known: Known::take(object)?,
            groups: Mapped::new(map(object, edge::GROUPS)?, edge::GROUPS, "groups")?,
            slots: Mapped::new(map(object, edge::SLOTS)?, edge::SLOTS, "slots")?,
            targets: Mapped::new(map(object, edge::TARGETS)?, edge::TARGETS, "targets")?,
            access: Access::take(object)?,
            guards: Mapped::new(map(object, edge::GUARDS)?, edge::GUARDS, "listeners")?,
            counters: CounterTables::take(object)?,
            sketches: Sketches::take(object)?,
            traced_flow: typed(object, edge::TRACED_FLOW)?,
            seed: typed(object, edge::SEED)?,
            grace,
            // Whoever held these maps before may have died between a rewrite and what depends on it.
            unsettled: true,
        })
    }

    /// Everything that is in the tables. An entry without a tag is free.
    pub(super) fn read(&mut self) -> Result<Tables, DataplaneError> {
        let (access, vips, quic_servers) = (self.access.read(), self.vips.read()?, self.quic_servers.read()?);
        let shielded = self.shielded.read()?.into_keys().collect();
        let listeners = self.listeners.read();
        let mut tables = Tables { listeners, access, vips, shielded, quic_servers, ..Tables::default() };
        tables.listeners.extend(self.ranges.read()?);
        tables.listeners.extend(self.gateways.read()?);
        for listener in tables.listeners.values_mut() {
            listener.guard = self.guard(listener.counters)?;
        }
        let used = (0..).zip(self.groups.entries().map(read_group)).filter(|(_, group)| group.tag != 0);
        tables.groups = used.collect();
        let used = (0..).zip(self.targets.entries().map(read_target)).filter(|(_, target)| target.tag != 0);
        tables.targets = used.collect();
        for (&index, group) in &tables.groups {
            tables.rings.insert(index, self.ring(index, group)?.into());
        }
        self.known.adopt(&tables);
        Ok(tables)
    }

    fn ring(&self, index: u32, group: &Group) -> Result<Vec<Slot>, DataplaneError> {
        let first = to_usize(group.first_slot);
        let last = first.saturating_add(to_usize(group.slot_mask));
        let ring = self.slots.words().get(first..=last).ok_or(DataplaneError::RingOutOfBounds {
            group: index,
            first_slot: group.first_slot,
            slots: self.slots.len(),
        })?;
        Ok(ring.iter().map(|slot| Slot(slot.load(Ordering::Acquire))).collect())
    }

    /// Carries out one write.
    pub(super) fn write(&mut self, write: &Write) -> Result<(), DataplaneError> {
        match write {
            Write::Target { index, value, fresh } => Ok(self.write_target(*index, value, *fresh)?),
            Write::Slots(slots) => self.write_slots(slots),
            Write::Group { index, value } => Ok(self.write_group(*index, value)?),
            Write::AccessList { number, list } => {
                self.settle()?;
                Ok(self.access.write(*number, list)?)
            }
            Write::RemoveAccessList(number) => {
                self.settle()?;
                Ok(self.access.remove(*number)?)
            }
            Write::Listener { key, value, fresh } => Ok(self.write_listener(key, value, *fresh)?),
            Write::Ranges { key, listeners, fresh } => Ok(self.write_ranges(key, listeners, fresh)?),
            Write::Vip { address, value } => {
                self.known.add(Kind::Vip, address);
                Ok(self.vips.write(address, value)?)
            }
            Write::RemoveVip(address) => {
                self.known.remove(Kind::Vip, address);
                Ok(self.vips.remove(address)?)
            }
            Write::Shield(address) => {
                self.known.add(Kind::Shielded, address);
                Ok(self.shielded.write(address, &1)?)
            }
            Write::Unshield(address) => {
                self.known.remove(Kind::Shielded, address);
                Ok(self.shielded.remove(address)?)
            }
            Write::QuicServer { key, target } => {
                self.unsettled = true;
                Ok(self.quic_servers.write(key, target)?)
            }
            Write::RemoveQuicServer(key) => {
                self.unsettled = true;
                Ok(self.quic_servers.remove(key)?)
            }
            Write::RemoveListener(key) => Ok(self.remove_listener(key)?),
            Write::RemoveGroup(index) => {
                self.settle()?;
                write_group(self.groups.entry(*index)?, &Group::default());
                Ok(())
            }
            Write::RemoveTarget(index) => {
                self.settle()?;
                self.known.set_target(*index, &Target::default());
                write_target(self.targets.entry(*index)?, &Target::default());
                Ok(())
            }
        }
    }

    fn write_target(&mut self, index: TargetIndex, value: &Target, fresh: bool) -> Result<(), KernelError> {
        let before = read_target(self.targets.entry(index)?);
        if before.tag != 0 && before.tag != value.tag {
            self.settle()?;
        }
        if fresh {
            self.counters.reset_target(index)?;
            self.sketches.clear(SketchOf::Target(index))?;
        }
        self.known.set_target(index, value);
        write_target(self.targets.entry(index)?, value);
        Ok(())
    }

    fn write_slots(&mut self, slots: &[(u32, Slot)]) -> Result<(), DataplaneError> {
        let room = self.slots.len();
        self.unsettled = true;
        let words = self.slots.words();
        for &(index, slot) in slots {
            let place =
                words.get(to_usize(index)).ok_or(DataplaneError::SlotOutOfBounds { slot: index, slots: room })?;
            place.store(slot.0, Ordering::Release);
        }
        Ok(())
    }

    fn write_group(&mut self, index: u32, value: &Group) -> Result<(), KernelError> {
        let before = read_group(self.groups.entry(index)?);
        if before.tag != 0 && before.tag != value.tag {
            self.settle()?;
        }
        write_group(self.groups.entry(index)?, value);
        Ok(())
    }

    fn write_listener(&mut self, key: &ListenerKey, value: &Listener, fresh: bool) -> Result<(), KernelError> {
        if fresh {
            self.counters.reset_listener(value.counters)?;
            self.sketches.clear(SketchOf::Listener(value.sketch))?;
        }
        self.unsettled = true;
        self.write_guards([value], true)?;
        if key.is_gateway() {
            self.known.add_gateway(key);
            self.gateways.write(key, value)?;
            self.write_guards([value], false)?;
            // The place that its ring has left may get another's slots by the next write.
            return self.settle();
        }
        let before = self.listeners.write(key, value, &self.grace)?;
        self.write_guards([value], false)?;
        if before.is_some_and(|before| (before.first_slot, before.slot_mask) != (value.first_slot, value.slot_mask)) {
            // The place that its ring has left may get another's slots by the next write.
            self.settle()?;
        }
        Ok(())
    }

    fn guard(&self, counters: u32) -> Result<Guard, KernelError> {
        let words = self.guards.entry(counters)?;
        Ok(Guard::from_words([0, 1].map(|at| words[at].load(Ordering::Acquire))))
    }

    /// Writes what guards those of `listeners` that are guarded, or those that aren't: a claim that says that there is something to
    /// check finds it, and after one that doesn't nobody looks.
    fn write_guards<'l>(
        &self,
        listeners: impl IntoIterator<Item = &'l Listener>,
        guarded: bool,
    ) -> Result<(), KernelError> {
        for listener in listeners.into_iter().filter(|listener| listener.guard.is_any() == guarded) {
            let words = self.guards.entry(listener.counters)?;
            for (word, value) in words.iter().zip(listener.guard.words()) {
                word.store(value, Ordering::Release);
            }
        }
        Ok(())
    }

    fn write_ranges(
        &mut self,
        key: &RangesKey,
        listeners: &[(ListenerKey, Listener)],
        fresh: &[u32],
    ) -> Result<(), KernelError> {
        for &counters in fresh {
            self.counters.reset_listener(counters)?;
            self.sketches.clear(SketchOf::Listener(counters))?;
        }
        self.unsettled = true;
        self.write_guards(listeners.iter().map(|(_, listener)| listener), true)?;
        self.ranges.write(key, listeners)?;
        self.write_guards(listeners.iter().map(|(_, listener)| listener), false)?;
        // The memory of what was there may serve the next write, and the places that rings have left other rings.
        self.settle()
    }

    fn remove_listener(&mut self, key: &ListenerKey) -> Result<(), KernelError> {
        self.unsettled = true;
        if !key.is_gateway() {
            return self.listeners.remove(key);
        }
        self.known.remove_gateway(key);
        self.gateways.remove(key)
    }

    /// Waits until no program acts on what stood in the tables before the last rewrite.
    fn settle(&mut self) -> Result<(), KernelError> {
        if self.unsettled {
            self.grace.wait()?;
            self.listeners.settle()?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// Counters, summed over CPUs.
    pub(super) fn counters(&self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, KernelError> {
        self.counters.read(listeners, targets)
    }

    /// A sketch, `None` when the table has no such entry. Takes what it holds, if that is wished.
    pub(super) fn sketch(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, KernelError> {
        self.sketches.read(of, take)
    }

    /// Says which flow the traced program shows.
    pub(super) fn set_traced_flow(&mut self, flow: &Flow) -> Result<(), KernelError> {
        self.traced_flow.set(0, flow, 0).map_err(at("write", edge::TRACED_FLOW))
    }

    /// Notes the seed for the next agent.
    pub(super) fn set_seed(&mut self, seed: u64) -> Result<(), KernelError> {
        self.seed.set(0, seed, 0).map_err(at("write", edge::SEED))
    }
}

pub(super) fn map(object: &mut Ebpf, name: &'static str) -> Result<Map, KernelError> {
    object.take_map(name).ok_or(KernelError::NotInObject { name })
}

pub(super) fn typed<T: TryFrom<Map, Error = MapError>>(
    object: &mut Ebpf,
    name: &'static str,
) -> Result<T, KernelError> {
    T::try_from(map(object, name)?).map_err(at("open", name))
}

pub(super) fn at(action: &'static str, table: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Table { action, table, source }
}
