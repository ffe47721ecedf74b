//! Which addresses the edge has anything to do with: listeners', those that are shielded, and targets' whose flows are translated;
//! all, as soon as there is a gateway.
//!
//! A bit may be several addresses', so each is counted. Nothing depends on when a bit comes or goes beside what the other tables say:
//! a listener whose bit is not set yet doesn't exist yet, and one that is set for nobody costs a look.

use std::collections::{BTreeSet, HashMap, HashSet};
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

/// What an address is known as. It may be both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A listener's.
    Vip,
    /// One that no tunnel may lead to from outside.
    Shielded,
}

/// The bits of one set, and whose they are.
pub(super) struct Known {
    bits: Mapped,
    addresses: HashSet<(Kind, Address)>,
    targets: HashMap<TargetIndex, Address>,
    users: HashMap<Place, u32>,
    gateways: BTreeSet<ListenerKey>,
}

impl Known {
    /// Takes the map out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let bits = Mapped::new(map(object, edge::KNOWN)?, edge::KNOWN, "listeners")?;
        let (addresses, targets, users) = (HashSet::new(), HashMap::new(), HashMap::new());
        Ok(Self { bits, addresses, targets, users, gateways: BTreeSet::new() })
    }

    /// Makes the bits those of `tables`, which an earlier agent has left.
    pub(super) fn adopt(&mut self, tables: &Tables) {
        let addresses: Vec<_> = self.addresses.iter().copied().collect();
        addresses.iter().for_each(|(kind, address)| self.remove(*kind, address));
        let targets: Vec<TargetIndex> = self.targets.keys().copied().collect();
        targets.into_iter().for_each(|index| self.set_target(index, &Target::default()));
        tables.vips.keys().for_each(|vip| self.add(Kind::Vip, vip));
        tables.shielded.iter().for_each(|address| self.add(Kind::Shielded, address));
        tables.targets.iter().for_each(|(index, target)| self.set_target(*index, target));
        self.gateways = tables.listeners.keys().filter(|key| key.is_gateway()).copied().collect();
        self.write();
    }

    /// A gateway is there: any packet may be its.
    pub(super) fn add_gateway(&mut self, key: &ListenerKey) {
        self.gateways.insert(*key);
        self.write();
    }

    /// A gateway is gone.
    pub(super) fn remove_gateway(&mut self, key: &ListenerKey) {
        self.gateways.remove(key);
        self.write();
    }

    /// Writes all bits.
    fn write(&self) {
        let mut used: HashMap<u32, u64> = HashMap::new();
        for place in self.users.keys() {
            *used.entry(place.word).or_default() |= place.bit;
        }
        for (index, word) in (0..).zip(self.bits.words()) {
            let users = used.get(&index).copied().unwrap_or_default();
            word.store(if self.gateways.is_empty() { users } else { u64::MAX }, Ordering::Release);
        }
    }

    /// The address is known as that.
    pub(super) fn add(&mut self, kind: Kind, address: &Address) {
        if self.addresses.insert((kind, *address)) {
            self.hold(address);
        }
    }

    /// The address is not known as that any more.
    pub(super) fn remove(&mut self, kind: Kind, address: &Address) {
        if self.addresses.remove(&(kind, *address)) {
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
