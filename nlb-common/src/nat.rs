//! Address translation: what is remembered of a flow, and what its packets become.
//!
//! ```text
//! way there: client ──▶ VIP                 becomes  client, or edge's address and port ──▶ target
//! way back:  target ──▶ client, or edge's address and port           becomes  VIP ──▶ client
//! ```
//!
//! Either way has an entry of its own, under the flow that its packets make. An entry holds the key of the other one, and
//! that is all there is to translation: a packet leaves as the reverse of what the other way's packets arrive as.

pub mod cross;
mod piece;
pub mod rewrite;

pub use piece::Piece;

use crate::flow::Pin;
use crate::hash::Flow;
use crate::wire::TagBytes;

/// What is remembered of one way of a translated flow: the value of the tables, whose key is the [`Flow`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Target, when it was last heard of, and [`Pin::FIN`], [`BACK`](Self::BACK) and the number of tags in its flags. Its
    /// slot is 0.
    pub pin: Pin,
    /// The other way's key.
    pub peer: Flow,
    /// Who sent the client's packets: where those to the client go.
    pub client_mac: [u8; 6],
    /// To whom they were sent: an address of the edge.
    pub edge_mac: [u8; 6],
    /// The interface that the client's packets came in by.
    pub interface: u32,
    /// The VLAN tags that they had, outermost first.
    pub tags: [TagBytes; 2],
}

impl Session {
    /// In a pin's flags: the packets of this entry come from the target.
    pub const BACK: u32 = 2;

    const TAGS: u32 = 2;

    /// In a pin's flags: how many of the [`tags`](Self::tags) there are, two at most.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "two bits")]
    pub const fn tag_flags(tags: usize) -> u32 {
        (tags as u32 & 3) << Self::TAGS
    }

    /// How many of the [`tags`](Self::tags) there are.
    #[inline(always)]
    pub const fn tag_count(&self) -> usize {
        (self.pin.flags >> Self::TAGS & 3) as usize
    }

    /// Whether it is of packets that come from the target.
    #[inline(always)]
    pub const fn is_back(&self) -> bool {
        self.pin.flags & Self::BACK != 0
    }

    /// The entry of the other way, of packets that arrive as [`peer`](Self::peer), when this one's arrive as `flow`.
    #[inline(always)]
    #[must_use]
    pub const fn other_way(&self, flow: Flow) -> Self {
        Self { pin: Pin { flags: self.pin.flags ^ Self::BACK, ..self.pin }, peer: flow, ..*self }
    }

    /// Whether the client's packets still come by that link.
    #[inline(always)]
    pub fn is_by(&self, link: &Self) -> bool {
        self.client_mac == link.client_mac
            && self.edge_mac == link.edge_mac
            && self.interface == link.interface
            && self.tags == link.tags
            && self.tag_count() == link.tag_count()
    }

    /// The same with the client's packets coming by that link.
    #[inline(always)]
    #[must_use]
    pub const fn by(&self, link: &Self) -> Self {
        let Self { client_mac, edge_mac, interface, tags, .. } = *link;
        let flags = self.pin.flags & !Self::tag_flags(3) | Self::tag_flags(link.tag_count());
        Self { pin: Pin { flags, ..self.pin }, peer: self.peer, client_mac, edge_mac, interface, tags }
    }

    /// Whether packets that arrive as `flow` leave as ones of the other IP family.
    #[inline(always)]
    pub const fn crosses(&self, flow: &Flow) -> bool {
        self.peer.source.is_v4() != flow.destination.is_v4()
    }

    /// What the packets leave as.
    #[inline(always)]
    pub const fn outcome(&self) -> Flow {
        self.peer.reversed()
    }
}

/// The first port that source NAT gives out; those below belong to services.
pub const FIRST_PORT: u16 = 1_024;
/// How many ports it gives out for each target, port of the target and protocol. Those above are Linux's for connections of
/// the edge's own, as `net.ipv4.ip_local_port_range` has it by default.
pub const PORTS: u16 = 31_744;
/// How many ports are tried for a flow. A flow finds none of `n` in `PORTS` taken with a chance of `(n / PORTS)^16`: one in
/// 35 with four of five taken.
pub const TRIES: u32 = 16;

/// The port that is tried as the `attempt`-th for a flow with that hash, network byte order.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "less than 2^16 each")]
pub const fn port(hash: u64, attempt: u32) -> u16 {
    // The slot took the hash's low bits. The steps differ by flow, so that neighbours don't follow each other's trail.
    let start = (hash >> 32) as u32 & 0xffff;
    let step = (hash >> 48) as u32 % 1_021 + 1;
    let offset = (start + attempt * step) % PORTS as u32;
    (FIRST_PORT + offset as u16).to_be()
}

const _: () = assert!(size_of::<Session>() == 80, "no hidden padding");
const _: () = assert!(FIRST_PORT + PORTS == 32_768, "up to Linux's own ports");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    #[test]
    fn each_way_names_the_other() {
        let flow = Flow {
            source: Address::v4(1),
            destination: Address::v4(2),
            source_port: 3,
            destination_port: 4,
            protocol: 6,
            padding: [0; 3],
        };
        let back = Flow { source: Address::v4(5), destination: Address::v4(1), source_port: 6, ..flow.reversed() };
        let pin = Pin { flags: Pin::new(7, 0xabc, 0, 8).flags | Session::tag_flags(2), ..Pin::new(7, 0xabc, 0, 8) };
        let there = Session { pin, peer: back, ..Session::default() };
        let answer = there.other_way(flow);
        assert!(!there.is_back() && answer.is_back());
        assert_eq!((answer.tag_count(), answer.pin.is_of(0xabc)), (2, true));
        assert_eq!(answer.outcome(), Flow { source: Address::v4(2), destination: Address::v4(1), ..flow.reversed() });
        assert_eq!(answer.other_way(back), there);
    }

    #[test]
    fn ports_lie_between_those_of_services_and_those_of_linux_and_the_tries_of_a_flow_differ() {
        let mut seen = [0_u32; PORTS as usize];
        for flow in 0..600_000_u64 {
            let hash = flow.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let hash = hash ^ hash >> 27;
            let mut tried = [0; TRIES as usize];
            for (attempt, port) in (0..).zip(&mut tried) {
                *port = u16::from_be(super::port(hash, attempt));
                assert!((FIRST_PORT..FIRST_PORT + PORTS).contains(port), "{port}");
            }
            seen[usize::from(tried[0] - FIRST_PORT)] += 1;
            tried.sort_unstable();
            assert!(tried.windows(2).all(|pair| pair[0] != pair[1]), "{tried:?}");
        }
        assert!(seen.iter().all(|&flows| flows > 0), "a port is never given out");
    }
}
