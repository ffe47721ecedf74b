//! QUIC: the server that a packet's connection id names.
//!
//! A client that changes its address, or whose router gives it another, is another flow to whoever looks at addresses. What
//! stays is the connection id, and the server has chosen it. By draft-ietf-quic-load-balancers-21 (sections 3 and 5, without
//! encryption) it begins with an octet whose three high bits say by which configuration it was made, and the server's own id
//! follows:
//!
//! ```text
//! short header: [0.......]                         [rotation: 3 bits, any: 5][server id][nonce][what is encrypted
//! long header:  [1.......][version: 4][length: 1]  [rotation: 3 bits, any: 5][server id][nonce][length: 1][client's id
//! ```
//!
//! Nothing else of a packet is read than what all versions of QUIC have in common (RFC 8999), and long headers are read like
//! short ones: a client takes up the id that its server has chosen with the server's first answer, amid the handshake. What
//! comes before has an id that the client has made at random. It names no server but by chance, and then always the same; so a
//! connection has one target in all phases, and keeps it when the client's address changes between two of them.

use crate::packet::Door;
use crate::wire::{ConnectionId, QuicLong, Udp};

/// The longest server id, in bytes. With the shortest nonce, which has four, a connection id is as long as may be.
pub const LONGEST_SERVER_ID: u8 = 15;

/// The largest number of a configuration.
pub const LARGEST_ROTATION: u8 = 6;

/// Said by a server that has no configuration: its id names nobody (section 3.2 of the draft).
const NO_CONFIGURATION: u8 = 7;

/// The bit of a packet's first byte that says which header it is.
const LONG: u8 = 0x80;

/// A server's id, and the rotation bits that a connection id has before it. Ids of several configurations and lengths may stand
/// beside each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId {
    /// The bytes of a connection id up to the end of the server's, then zeros, as words, little-endian. Of the first byte the rotation
    /// bits.
    words: [u64; 2],
    /// Bytes of the server's id.
    length: u8,
}

impl ServerId {
    const ROTATION: u64 = 0xe0;

    /// The id of `length` bytes in the first 16 bytes of a connection id, which are those words, little-endian.
    #[inline(always)]
    const fn of(words: [u64; 2], length: u8) -> Self {
        let bits = (length as u32 & 0xf) * 8 + 8;
        let first = if bits >= 64 { u64::MAX } else { u64::MAX >> (64 - bits) };
        let second = if bits <= 64 { 0 } else { u64::MAX >> (128 - bits) };
        Self { words: [words[0] & first & (!0xff | Self::ROTATION), words[1] & second], length }
    }

    /// The server `id`, of 15 bytes at most, by the configuration with that number.
    pub fn new(rotation: u8, id: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[0] = rotation << 5;
        let length = id.len().min(LONGEST_SERVER_ID.into());
        bytes[1..=length].copy_from_slice(&id[..length]);
        let [first, second] = [0, 8].map(|at| u64::from_le_bytes(core::array::from_fn(|byte| bytes[at + byte])));
        #[expect(clippy::cast_possible_truncation, reason = "15 at most")]
        Self::of([first, second], length as u8)
    }
}

/// A server of a listener: the key of the table of servers, whose value is the target's index. Two words of the [`ServerId`], and one
/// with its length in the low half and the index of the listener's counters in the high one.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub [u64; 3]);

impl ServerKey {
    /// `server` of the listener with that index of its counters.
    #[inline(always)]
    pub const fn new(listener: u32, server: ServerId) -> Self {
        let [first, second] = server.words;
        Self([first, second, server.length as u64 | (listener as u64) << 32])
    }

    /// Index of the listener's counters.
    pub const fn listener(&self) -> u32 {
        (self.0[2] >> 32) as u32
    }
}

/// What chose a QUIC packet's target, counted per CPU. The number is the index of its counter.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuicRule {
    /// Its connection id: a target that serves has the server id.
    ServerId = 0,
    /// The flow's hash. A long header whose id is no server's: a client begins, by an id of its own choice.
    Begins = 1,
    /// The flow's hash. A short header whose id is made by no configuration, or a packet too short for any.
    Unroutable = 2,
    /// The flow's hash. A short header with a server id that no target has that serves, or of another configuration.
    UnknownServer = 3,
}

impl QuicRule {
    /// Every rule, in the order of their numbers.
    pub const ALL: &'static [Self] = &[Self::ServerId, Self::Begins, Self::Unroutable, Self::UnknownServer];

    /// How many there are.
    #[expect(clippy::cast_possible_truncation, reason = "a handful")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The value of the `rule` label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerId => "server_id",
            Self::Begins => "begins",
            Self::Unroutable => "unroutable",
            Self::UnknownServer => "unknown_server",
        }
    }
}

/// The server that a packet names, and the rule that holds if there is no such target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The server.
    pub server: ServerId,
    /// What chooses otherwise.
    pub otherwise: QuicRule,
}

/// The server that the packet names whose UDP header, which has been read before, is at `payload`; ids are `length` bytes long.
///
/// Sixteen bytes must follow where the connection id begins. Any packet that can be decrypted has as many: 20 behind the id,
/// for a packet number and a sample (RFC 9001, section 5.4.2).
///
/// # Errors
/// The rule that chooses where none is named.
#[inline(always)]
pub fn named<D: Door + ?Sized>(door: &D, payload: usize, length: u8) -> Result<Named, QuicRule> {
    const TOO_SHORT: QuicRule = QuicRule::Unroutable;
    const SHORT_HEADER: usize = 1;
    let udp = door.header::<Udp>(payload).ok_or(TOO_SHORT)?;
    let (begin, end) = (payload + Udp::LENGTH, payload + udp.length() as usize);
    if begin + SHORT_HEADER + size_of::<ConnectionId>() > end {
        return Err(TOO_SHORT);
    }
    let is_long = *door.header::<u8>(begin).ok_or(TOO_SHORT)? & LONG != 0;
    let (otherwise, unnamed) =
        if is_long { (QuicRule::Begins, QuicRule::Begins) } else { (QuicRule::UnknownServer, QuicRule::Unroutable) };
    let id = if is_long {
        let header = door.header::<QuicLong>(begin).ok_or(unnamed)?;
        if header.id_length <= length {
            return Err(unnamed);
        }
        begin + QuicLong::LENGTH
    } else {
        begin + SHORT_HEADER
    };
    if id + size_of::<ConnectionId>() > end {
        return Err(unnamed);
    }
    let id = door.header::<ConnectionId>(id).ok_or(unnamed)?;
    if id.rotation() == NO_CONFIGURATION {
        return Err(unnamed);
    }
    Ok(Named { server: ServerId::of(id.words(), length), otherwise })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn what_follows_a_server_id_and_the_five_bits_before_it_make_no_difference() {
        let id = *b"0123456789abcdef";
        for length in 1..=LONGEST_SERVER_ID {
            let expected = ServerId::new(2, &id[1..=length.into()]);
            for rest in [0, 0xff] {
                let mut bytes = [rest; 16];
                bytes[..=length.into()].copy_from_slice(&id[..=length.into()]);
                bytes[0] = 2 << 5 | rest & 0x1f;
                let words = [0, 8].map(|at| u64::from_le_bytes(core::array::from_fn(|byte| bytes[at + byte])));
                assert_eq!(ServerId::of(words, length), expected, "{length} bytes");
            }
        }
    }

    #[test]
    fn servers_differ_by_every_byte_by_length_and_by_rotation() {
        let id = [0; 15];
        let mut all = std::collections::BTreeSet::new();
        let mut servers = 0;
        for length in 1..=15 {
            for rotation in 0..=LARGEST_ROTATION {
                all.insert(ServerId::new(rotation, &id[..length]));
                servers += 1;
                for byte in 0..length {
                    let mut other = id;
                    other[byte] = 1;
                    all.insert(ServerId::new(rotation, &other[..length]));
                    servers += 1;
                }
            }
        }
        assert_eq!(all.len(), servers);
    }
}
