//! Listeners and gateways, where the program finds them: places of an array, lists of ranges, prefixes.

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, LpmTrie, MapData, lpm_trie};
use nlb_common::address::Address;
use nlb_common::gateway::Gateway;
use nlb_common::known::WORDS;
use nlb_common::layout::edge;
use nlb_common::listener::{Entry, Key};
use nlb_common::ranges::{Ranges, RangesKey};
use nlb_common::tables::{Group, Listener, ListenerKey};
use nlb_userspace::dataplane::path_to_free;

use super::Edge;

impl Edge {
    /// Sets a listener.
    pub fn set_listener(&mut self, key: ListenerKey, listener: Listener) -> Result<()> {
        if key.is_gateway() {
            return self.set_gateway(key, listener);
        }
        self.know(&key.address)?;
        if key.has_more_ports() {
            self.listeners.insert(key, listener);
            return self.write_ranges(RangesKey::of(&key));
        }
        let path = match self.place_of(&key) {
            Some(place) => vec![place],
            None => path_to_free(&key, self.shift, |place| self.places.get(&place).copied()).context("no place")?,
        };
        for (&from, &to) in path.iter().zip(&path[1..]).rev() {
            let entry = self.get::<Entry>(edge::LISTENERS, from)?;
            self.set(edge::LISTENERS, to, entry)?;
            let mover = self.places.remove(&from).context("nobody stands there")?;
            self.places.insert(to, mover);
        }
        if listener.guard.is_any() {
            self.set(edge::GUARDS, listener.counters, listener.guard)?;
        }
        self.places.insert(path[0], key);
        self.listeners.insert(key, listener);
        self.set(edge::LISTENERS, path[0], Entry::new(&key, &listener))
    }

    /// Sets a gateway. Packets between any addresses may be its own.
    fn set_gateway(&mut self, key: ListenerKey, gateway: Listener) -> Result<()> {
        for word in 0..WORDS {
            self.set(edge::KNOWN, word, u64::MAX)?;
        }
        let map = self.ebpf.map_mut(edge::GATEWAYS).context("no such map")?;
        let mut trie = LpmTrie::<_, Address, Gateway>::try_from(map)?;
        let network = lpm_trie::Key::new(key.prefix.into(), key.address);
        Ok(trie.insert(&network, Gateway::new(&key, &gateway), 0)?)
    }

    /// Takes a listener away.
    pub fn remove_listener(&mut self, key: &ListenerKey) -> Result<()> {
        if key.has_more_ports() {
            self.listeners.remove(key);
            return self.write_ranges(RangesKey::of(key));
        }
        let place = self.place_of(key).context("no such listener")?;
        self.places.remove(&place);
        self.listeners.remove(key);
        self.set(edge::LISTENERS, place, Entry::default())
    }

    /// Puts listeners of many ports in the place of those that there were.
    pub fn set_ranges(&mut self, place: RangesKey, listeners: &[(ListenerKey, Listener)]) -> Result<()> {
        self.know(&place.address)?;
        self.listeners.retain(|key, _| !key.has_more_ports() || RangesKey::of(key) != place);
        self.listeners.extend(listeners.iter().copied());
        self.write_ranges(place)
    }

    fn write_ranges(&mut self, place: RangesKey) -> Result<()> {
        let of_place = |key: &ListenerKey| key.has_more_ports() && RangesKey::of(key) == place;
        let listeners = self.listeners.iter().filter(|(key, _)| of_place(key));
        let mut listeners: Vec<_> = listeners.map(|(key, listener)| (*key, *listener)).collect();
        listeners.sort_unstable_by_key(|(key, _)| *key);
        let map = self.ebpf.map_mut(edge::RANGES).context("no such map")?;
        let mut table = HashMap::<&mut MapData, RangesKey, Ranges>::try_from(map)?;
        Ok(table.insert(place, Ranges::new(&listeners), 0)?)
    }

    fn place_of(&self, key: &ListenerKey) -> Option<u32> {
        let places = Key::from(key).places(self.shift);
        [places.first(), places.second()].into_iter().find(|place| self.places.get(place) == Some(key))
    }

    /// Sets a target group, and what its listeners say of it.
    pub fn set_group(&mut self, index: u32, group: Group) -> Result<()> {
        self.set(edge::GROUPS, index, group)?;
        let of_group: Vec<_> = self.listeners.iter().map(|(key, listener)| (*key, *listener)).collect();
        for (key, listener) in of_group.into_iter().filter(|(_, listener)| listener.group == index) {
            let Listener { counters, sketch, server_id_length, guard, .. } = listener;
            let plain = Listener::new(counters, index, &group);
            self.set_listener(key, Listener { sketch, server_id_length, guard, ..plain })?;
        }
        Ok(())
    }
}
