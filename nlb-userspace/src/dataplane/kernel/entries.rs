//! Groups and targets as the words of their entries, and how an entry is changed while packets are on their way.
//!
//! The program reads an entry with plain loads, on any CPU, at any moment. What keeps it from seeing half of a change:
//!
//! - An entry that no packet can reach is written in any order. [`super::tables`] sees to it that an entry is not handed
//!   to another target or group before every program that might still hold its index has ended.
//! - What changes in a target that is in use is its way out. A new next hop or MTU lies within one 64-bit word: one
//!   store, and a packet gets the old one or the new one.
//! - When the way out changes in several words (another egress interface), the entry is marked not ready first and ready
//!   last, all stores in order. The few packets of those nanoseconds are dropped and counted as `no_next_hop` and not
//!   sent with a header that mixes both ways. That costs no more than the change of route has cost anyway. A CPU that
//!   passed the check for readiness just before may still mix them: a frame that its network drops, for the target's
//!   address is the same before and after.
//!
//! Waiting for a grace period between "not ready" and the rest would close that last gap, and drop all of the target's
//! packets for milliseconds instead.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};

use nlb_common::address::Address;
use nlb_common::tables::{Group, Target};

const TARGET_WORDS: usize = size_of::<Target>() / size_of::<u64>();
const GROUP_WORDS: usize = size_of::<Group>() / size_of::<u64>();

/// The word of a target that says whether it is ready.
const FLAGS_WORD: usize = offset_of!(Target, flags) / size_of::<u64>();

/// The target in an entry.
pub(super) fn read_target(entry: &[AtomicU64]) -> Target {
    target_of(&load::<TARGET_WORDS>(entry))
}

/// Puts `target` into an entry, in an order that a packet may look on.
pub(super) fn write_target(entry: &[AtomicU64], target: &Target) {
    let before = read_target(entry);
    let (old, new) = (words_of(&before), words_of(target));
    let changed: Vec<usize> = (0..TARGET_WORDS).filter(|&word| old[word] != new[word]).collect();
    if changed.len() > 1 {
        let unready = words_of(&Target { flags: before.flags & !Target::READY, ..before });
        entry[FLAGS_WORD].store(unready[FLAGS_WORD], Ordering::Release);
    }
    for &word in changed.iter().filter(|&&word| word != FLAGS_WORD) {
        entry[word].store(new[word], Ordering::Release);
    }
    entry[FLAGS_WORD].store(new[FLAGS_WORD], Ordering::Release);
}

/// The group in an entry.
pub(super) fn read_group(entry: &[AtomicU64]) -> Group {
    group_of(&load::<GROUP_WORDS>(entry))
}

/// Puts `group` into an entry. Where its ring lies and how large it is are one word.
pub(super) fn write_group(entry: &[AtomicU64], group: &Group) {
    for (place, word) in entry.iter().zip(group_words(group)) {
        place.store(word, Ordering::Release);
    }
}

fn load<const N: usize>(entry: &[AtomicU64]) -> [u64; N] {
    let mut words = [0; N];
    for (word, place) in words.iter_mut().zip(entry) {
        *word = place.load(Ordering::Acquire);
    }
    words
}

fn words_of(target: &Target) -> [u64; TARGET_WORDS] {
    let mut bytes = Bytes([0; size_of::<Target>()]);
    bytes.put(offset_of!(Target, tag), target.tag.to_ne_bytes());
    bytes.put(offset_of!(Target, destination), target.destination.octets());
    bytes.put(offset_of!(Target, source), target.source.octets());
    bytes.put(offset_of!(Target, next_hop_mac), target.next_hop_mac);
    bytes.put(offset_of!(Target, source_mac), target.source_mac);
    bytes.put(offset_of!(Target, mtu), target.mtu.to_ne_bytes());
    bytes.put(offset_of!(Target, flags), [target.flags]);
    bytes.put(offset_of!(Target, source_bits), [target.source_bits]);
    bytes.put(offset_of!(Target, interface), target.interface.to_ne_bytes());
    bytes.put(offset_of!(Target, port), target.port.to_ne_bytes());
    bytes.words()
}

fn target_of(words: &[u64; TARGET_WORDS]) -> Target {
    let bytes = Bytes::<{ size_of::<Target>() }>::from_words(words);
    Target {
        tag: u64::from_ne_bytes(bytes.get(offset_of!(Target, tag))),
        destination: address(bytes.get(offset_of!(Target, destination))),
        source: address(bytes.get(offset_of!(Target, source))),
        next_hop_mac: bytes.get(offset_of!(Target, next_hop_mac)),
        source_mac: bytes.get(offset_of!(Target, source_mac)),
        mtu: u16::from_ne_bytes(bytes.get(offset_of!(Target, mtu))),
        flags: u8::from_ne_bytes(bytes.get(offset_of!(Target, flags))),
        source_bits: u8::from_ne_bytes(bytes.get(offset_of!(Target, source_bits))),
        interface: u32::from_ne_bytes(bytes.get(offset_of!(Target, interface))),
        port: u16::from_ne_bytes(bytes.get(offset_of!(Target, port))),
        padding: 0,
    }
}

fn group_words(group: &Group) -> [u64; GROUP_WORDS] {
    let mut bytes = Bytes([0; size_of::<Group>()]);
    bytes.put(offset_of!(Group, tag), group.tag.to_ne_bytes());
    bytes.put(offset_of!(Group, first_slot), group.first_slot.to_ne_bytes());
    bytes.put(offset_of!(Group, slot_mask), group.slot_mask.to_ne_bytes());
    bytes.put(offset_of!(Group, affinity), [group.affinity]);
    bytes.put(offset_of!(Group, tracking), [group.tracking]);
    bytes.words()
}

fn group_of(words: &[u64; GROUP_WORDS]) -> Group {
    let bytes = Bytes::<{ size_of::<Group>() }>::from_words(words);
    Group {
        tag: u64::from_ne_bytes(bytes.get(offset_of!(Group, tag))),
        first_slot: u32::from_ne_bytes(bytes.get(offset_of!(Group, first_slot))),
        slot_mask: u32::from_ne_bytes(bytes.get(offset_of!(Group, slot_mask))),
        affinity: u8::from_ne_bytes(bytes.get(offset_of!(Group, affinity))),
        tracking: u8::from_ne_bytes(bytes.get(offset_of!(Group, tracking))),
        padding: Default::default(),
    }
}

fn address(octets: [u8; 16]) -> Address {
    let [a, b, c, d] = [0, 4, 8, 12].map(|at| [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
    Address([a, b, c, d].map(u32::from_ne_bytes))
}

/// The bytes of an entry. Fields are copied one by one: an entry may end in padding, which has no value to copy.
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Bytes<N> {
    fn put<const M: usize>(&mut self, at: usize, field: [u8; M]) {
        self.0[at..at + M].copy_from_slice(&field);
    }

    fn get<const M: usize>(&self, at: usize) -> [u8; M] {
        let mut field = [0; M];
        field.copy_from_slice(&self.0[at..at + M]);
        field
    }

    fn words<const W: usize>(&self) -> [u64; W] {
        std::array::from_fn(|word| u64::from_ne_bytes(self.get(word * size_of::<u64>())))
    }

    fn from_words(words: &[u64]) -> Self {
        let mut bytes = Self([0; N]);
        for (word, value) in words.iter().enumerate() {
            bytes.put(word * size_of::<u64>(), value.to_ne_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry<const N: usize>() -> [AtomicU64; N] {
        std::array::from_fn(|_| AtomicU64::new(0))
    }

    fn target() -> impl Strategy<Value = Target> {
        (any::<(u64, [u32; 4], [u32; 4])>(), any::<(u32, [u8; 6], [u8; 6], u16, u8, u8, u16)>()).prop_map(
            |((tag, destination, source), (interface, next_hop_mac, source_mac, mtu, flags, source_bits, port))| {
                Target {
                    tag,
                    destination: Address(destination),
                    source: Address(source),
                    interface,
                    next_hop_mac,
                    source_mac,
                    mtu,
                    flags,
                    source_bits,
                    port,
                    padding: 0,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_target_is_read_back_as_it_was_written(first in target(), second in target()) {
            let entry = entry::<TARGET_WORDS>();
            for target in [first, second, Target::default()] {
                write_target(&entry, &target);
                prop_assert_eq!(read_target(&entry), target);
            }
        }

        #[test]
        fn a_group_is_read_back_as_it_was_written(tag: u64, first_slot: u32, slot_mask: u32, affinity: u8) {
            let entry = entry::<GROUP_WORDS>();
            let group = Group { tag, first_slot, slot_mask, affinity, ..Group::default() };
            write_group(&entry, &group);
            prop_assert_eq!(read_group(&entry), group);
        }
    }

    #[test]
    fn another_next_hop_or_mtu_changes_one_word() {
        let before = Target { tag: 1, flags: Target::READY, ..Target::default() };
        for after in [Target { next_hop_mac: [0xff; 6], ..before }, Target { mtu: u16::MAX, ..before }] {
            let (before, after) = (words_of(&before), words_of(&after));
            assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
        }
    }

    #[test]
    fn the_ring_of_a_group_is_one_word() {
        assert_eq!(offset_of!(Group, first_slot) / 8, offset_of!(Group, slot_mask) / 8);
    }
}
