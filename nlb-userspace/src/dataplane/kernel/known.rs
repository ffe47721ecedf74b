//! Which addresses the edge has anything to do with: listeners', and those of targets whose flows are translated.
//!
//! A bit may be several addresses', so each is counted. Nothing depends on when a bit comes or goes beside what the other tables say:
//! a listener whose bit is not set yet doesn't exist yet, and one that is set for nobody costs a look.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use aya::Ebpf;
use nlb_common::address::Address;
use nlb_common::known::Place;
use nlb_common::layout::edge;
use nlb_common::slot::TargetIndex;
use nlb_common::tables::{ListenerKey, Target};

use super::KernelError;
use super::mapped::{Mapped, to_usize};
use super::tables::map;
use crate::dataplane::Tables;

/// The bits of one set, and whose they are.
pub(super) struct Known {
    bits: Mapped,
    vips: HashSet<Address>,
    targets: HashMap<TargetIndex, Address>,
    users: HashMap<Place, u32>,
    /// While there are any, all bits are set: they take networks.
    gateways: HashSet<ListenerKey>,
}

impl Known {
    /// Takes the map out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let bits = Mapped::new(map(object, edge::KNOWN)?, edge::KNOWN, "listeners")?;
        Ok(Self {
            bits,
            vips: HashSet::new(),
            targets: HashMap::new(),
            users: HashMap::new(),
            gateways: HashSet::new(),
        })
    }

    /// Makes the bits those of `tables`, which an earlier agent has left.
    pub(super) fn adopt(&mut self, tables: &Tables) {
        let vips: Vec<Address> = self.vips.iter().copied().collect();
        vips.iter().for_each(|vip| self.remove_vip(vip));
        let targets: Vec<TargetIndex> = self.targets.keys().copied().collect();
        targets.into_iter().for_each(|index| self.set_target(index, &Target::default()));
        tables.vips.keys().for_each(|vip| self.add_vip(vip));
        tables.targets.iter().for_each(|(index, target)| self.set_target(*index, target));
        self.gateways = tables.listeners.keys().filter(|key| key.is_gateway()).copied().collect();
        self.write();
    }

    /// There is a gateway of that key.
    pub(super) fn add_gateway(&mut self, key: &ListenerKey) {
        if self.gateways.insert(*key) && self.gateways.len() == 1 {
            self.write();
        }
    }

    /// There is none any more.
    pub(super) fn remove_gateway(&mut self, key: &ListenerKey) {
        if self.gateways.remove(key) && self.gateways.is_empty() {
            self.write();
        }
    }

    /// Writes all bits.
    fn write(&self) {
        let others = if self.gateways.is_empty() { 0 } else { u64::MAX };
        let mut used: HashMap<u32, u64> = HashMap::new();
        for place in self.users.keys() {
            *used.entry(place.word).or_default() |= place.bit;
        }
        for (index, word) in (0..).zip(self.bits.words()) {
            word.store(used.get(&index).copied().unwrap_or_default() | others, Ordering::Release);
        }
    }

    /// A listener has the address.
    pub(super) fn add_vip(&mut self, address: &Address) {
        if self.vips.insert(*address) {
            self.hold(address);
        }
    }

    /// No listener has the address any more.
    pub(super) fn remove_vip(&mut self, address: &Address) {
        if self.vips.remove(address) {
            self.release(address);
        }
    }

    /// The entry of a target is that from now on.
    pub(super) fn set_target(&mut self, index: TargetIndex, target: &Target) {
        let translated = matches!(target.forwarding(), Target::NAT | Target::NAT_SOURCE).then_some(target.destination);
        let before = match translated {
            Some(address) => self.targets.insert(index, address),
            None => self.targets.remove(&index),
        };
        if before == translated {
            return;
        }
        translated.iter().for_each(|address| self.hold(address));
        before.iter().for_each(|address| self.release(address));
    }

    fn hold(&mut self, address: &Address) {
        let place = Place::of(address);
        *self.users.entry(place).or_default() += 1;
        self.change(place, |word, bit| word | bit);
    }

    fn release(&mut self, address: &Address) {
        let place = Place::of(address);
        let users = self.users.entry(place).or_default();
        *users = users.saturating_sub(1);
        if *users == 0 {
            self.users.remove(&place);
            self.change(place, |word, bit| word & !bit);
        }
    }

    fn change(&self, place: Place, change: impl Fn(u64, u64) -> u64) {
        if !self.gateways.is_empty() {
            return;
        }
        // The table has the size that the object says, so the word is there; and nobody else writes it.
        if let Some(word) = self.bits.words().get(to_usize(place.word)) {
            word.store(change(word.load(Ordering::Relaxed), place.bit), Ordering::Release);
        }
    }
}
