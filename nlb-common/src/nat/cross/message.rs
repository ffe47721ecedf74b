//! Error messages of the other family (RFC 7915, sections 4.2 and 5.2): what says the same.
//!
//! The length of what is quoted, which a message with extensions has beside its type (RFC 4884), does not go over: it would be
//! another, and without it nobody looks for extensions.

use super::{GROWTH, growth};
use crate::wire::Icmp;

/// The least MTU of IPv6.
const LEAST_MTU: u32 = 1_280;

/// ICMPv6's message for one of ICMP about an IPv4 packet of `length` bytes.
#[inline(always)]
pub fn into_v6(message: &Icmp, length: usize) -> Option<Icmp> {
    let (kind, code, rest) = match (message.kind, message.code) {
        // The protocol is unknown: a parameter problem, which points to the field that names it.
        (3, 2) => (4, 1, 6),
        (3, 3) => (1, 4, 0),
        (3, 4) => (2, 0, mtu_into_v6(u32::from_be(message.rest) & 0xffff, length)),
        // Administratively prohibited.
        (3, 9 | 10 | 13 | 15) => (1, 1, 0),
        // Other kinds of "there is no way".
        (3, 0 | 1 | 5..=8 | 11 | 12) => (1, 0, 0),
        (11, code) => (3, code, 0),
        (12, 0 | 2) => (4, 0, pointer_into_v6(message.rest.to_ne_bytes()[0])?),
        _ => return None,
    };
    Some(Icmp { kind, code, checksum: 0, rest: rest.to_be() })
}

/// ICMP's message for one of ICMPv6. `cut`: it is about a fragment, which is shorter by IPv4 than other packets are.
#[inline(always)]
pub fn into_v4(message: &Icmp, cut: bool) -> Option<Icmp> {
    let rest = u32::from_be(message.rest);
    let (kind, code, rest) = match (message.kind, message.code) {
        (1, 0 | 2 | 3) => (3, 1, 0),
        (1, 1) => (3, 10, 0),
        (1, 4) => (3, 3, 0),
        (2, _) => (3, 4, rest.saturating_sub(u32::from(growth(cut))).min(0xffff)),
        (3, code) => (11, code, 0),
        // The pointer is the first byte.
        (4, 0) => (12, 0, pointer_into_v4(rest)? << 24),
        (4, 1) => (3, 2, 0),
        _ => return None,
    };
    Some(Icmp { kind, code, checksum: 0, rest: rest.to_be() })
}

/// The MTU by IPv6 where an IPv4 packet of `length` bytes did not fit into `mtu`.
#[inline(always)]
fn mtu_into_v6(mtu: u32, length: usize) -> u32 {
    let mtu = if mtu == 0 { plateau(length) } else { mtu };
    (mtu + u32::from(GROWTH)).max(LEAST_MTU)
}

/// The MTU of a router that doesn't say it: the next usual one below the packet's length (RFC 1191, section 7). All below IPv6's
/// least are one.
#[inline(always)]
const fn plateau(length: usize) -> u32 {
    match length {
        32_001.. => 32_000,
        17_915.. => 17_914,
        8_167.. => 8_166,
        4_353.. => 4_352,
        2_003.. => 2_002,
        1_493.. => 1_492,
        _ => 1_006,
    }
}

/// Where in an IPv6 header stands what an IPv4 header has at `pointer`.
#[inline(always)]
const fn pointer_into_v6(pointer: u8) -> Option<u32> {
    Some(match pointer {
        0 | 1 => pointer as u32,
        2 | 3 => 4,
        8 => 7,
        9 => 6,
        12..=15 => 8,
        16..=19 => 24,
        _ => return None,
    })
}

/// Where in an IPv4 header stands what an IPv6 header has at `pointer`.
#[inline(always)]
const fn pointer_into_v4(pointer: u32) -> Option<u32> {
    Some(match pointer {
        0 | 1 => pointer,
        4 | 5 => 2,
        6 => 9,
        7 => 8,
        8..=23 => 12,
        24..=39 => 16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, code, and what follows the checksum.
    type Said = (u8, u8, u32);

    fn message((kind, code, rest): Said) -> Icmp {
        Icmp { kind, code, checksum: 0xbeef, rest: rest.to_be() }
    }

    fn said(message: Option<Icmp>) -> Option<Said> {
        message.map(|message| {
            assert_eq!({ message.checksum }, 0);
            (message.kind, message.code, u32::from_be(message.rest))
        })
    }

    #[test]
    fn an_icmp_error_becomes_the_one_of_icmpv6_that_the_standard_names() {
        let table: &[(Said, Option<Said>)] = &[
            ((3, 0, 0), Some((1, 0, 0))),
            ((3, 1, 0), Some((1, 0, 0))),
            ((3, 2, 0), Some((4, 1, 6))),
            ((3, 3, 0), Some((1, 4, 0))),
            ((3, 4, 1_400), Some((2, 0, 1_420))),
            ((3, 4, 576), Some((2, 0, 1_280))),
            // Whatever stands before the MTU.
            ((3, 4, 0x0800_05dc), Some((2, 0, 1_520))),
            // None is said, of a packet of 1,500 bytes.
            ((3, 4, 0), Some((2, 0, 1_512))),
            ((3, 5, 0), Some((1, 0, 0))),
            ((3, 8, 0), Some((1, 0, 0))),
            ((3, 9, 0), Some((1, 1, 0))),
            ((3, 10, 0), Some((1, 1, 0))),
            ((3, 11, 0), Some((1, 0, 0))),
            ((3, 12, 0), Some((1, 0, 0))),
            ((3, 13, 0), Some((1, 1, 0))),
            ((3, 14, 0), None),
            ((3, 15, 0), Some((1, 1, 0))),
            ((3, 16, 0), None),
            ((4, 0, 0), None),
            ((5, 1, 0), None),
            ((11, 0, 0), Some((3, 0, 0))),
            ((11, 1, 0x0005_0000), Some((3, 1, 0))),
            ((12, 0, 0), Some((4, 0, 0))),
            ((12, 0, 2 << 24), Some((4, 0, 4))),
            ((12, 0, 6 << 24), None),
            ((12, 2, 8 << 24), Some((4, 0, 7))),
            ((12, 0, 9 << 24), Some((4, 0, 6))),
            ((12, 0, 10 << 24), None),
            ((12, 0, 15 << 24), Some((4, 0, 8))),
            ((12, 0, 16 << 24), Some((4, 0, 24))),
            ((12, 0, 20 << 24), None),
            ((12, 1, 0), None),
        ];
        for &(asked, expected) in table {
            assert_eq!(said(into_v6(&message(asked), 1_500)), expected, "{asked:?}");
        }
    }

    #[test]
    fn an_icmpv6_error_becomes_the_one_of_icmp_that_the_standard_names() {
        let table: &[(Said, Option<Said>)] = &[
            ((1, 0, 0), Some((3, 1, 0))),
            ((1, 1, 0), Some((3, 10, 0))),
            ((1, 2, 0), Some((3, 1, 0))),
            ((1, 3, 0), Some((3, 1, 0))),
            ((1, 4, 0), Some((3, 3, 0))),
            ((1, 5, 0), None),
            ((2, 0, 1_400), Some((3, 4, 1_380))),
            ((2, 0, 1_000_000), Some((3, 4, 65_535))),
            ((2, 0, 3), Some((3, 4, 0))),
            ((3, 0, 0), Some((11, 0, 0))),
            ((3, 1, 0x0500_0000), Some((11, 1, 0))),
            ((4, 0, 1), Some((12, 0, 1 << 24))),
            ((4, 0, 2), None),
            ((4, 0, 4), Some((12, 0, 2 << 24))),
            ((4, 0, 6), Some((12, 0, 9 << 24))),
            ((4, 0, 7), Some((12, 0, 8 << 24))),
            ((4, 0, 8), Some((12, 0, 12 << 24))),
            ((4, 0, 39), Some((12, 0, 16 << 24))),
            ((4, 0, 40), None),
            ((4, 1, 6), Some((3, 2, 0))),
            ((4, 2, 0), None),
            ((128, 0, 0), None),
        ];
        for &(asked, expected) in table {
            assert_eq!(said(into_v4(&message(asked), false)), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_router_that_names_no_mtu_is_taken_to_have_the_next_usual_one() {
        for (length, mtu) in [(65_535, 32_020), (9_000, 8_186), (1_500, 1_512), (1_492, 1_280), (100, 1_280)] {
            assert_eq!(said(into_v6(&message((3, 4, 0)), length)), Some((2, 0, mtu)), "{length}");
        }
    }

    #[test]
    fn what_fits_of_a_fragment_leaves_out_its_header() {
        for (mtu, fits) in [(1_500, 1_472), (1_280, 1_252), (27, 0), (u32::MAX, 0xffff)] {
            assert_eq!(said(into_v4(&message((2, 0, mtu)), true)), Some((3, 4, fits)));
        }
    }
}
