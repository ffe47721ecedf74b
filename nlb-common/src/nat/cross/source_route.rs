//! Source routes of IPv4 (RFC 791, section 3.1): IPv6 has no way to go on with one.

use crate::packet::Door;
use crate::wire::Ipv4;

/// As many bytes of options as a header has room for.
const ROOM: usize = 0xf * 4 - Ipv4::LENGTH;

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE: u8 = 131;
const STRICT: u8 = 137;

/// Whether options that stand from `at` up to `end` hold a source route with an address left to visit.
#[inline(always)]
pub(super) fn is_left<D: Door + ?Sized>(door: &D, mut at: usize, end: usize) -> bool {
    for _ in 0..ROOM {
        let Some(&[kind]) = door.header::<[u8; 1]>(at) else { return false };
        if at >= end || kind == END {
            return false;
        }
        let length = if kind == NO_OPERATION {
            1
        } else {
            let Some(&[length]) = door.header::<[u8; 1]>(at + 1) else { return false };
            if matches!(kind, LOOSE | STRICT) && at + 2 < end && is_within(door, at + 2, length) {
                return true;
            }
            // A length that can't be: nobody could say where the next option begins.
            if length < 2 {
                return false;
            }
            usize::from(length)
        };
        at = door.settled(at + length);
    }
    false
}

/// Whether the pointer at `at` names an address of its route, whose option is so long.
#[inline(always)]
fn is_within<D: Door + ?Sized>(door: &D, at: usize, length: u8) -> bool {
    door.header::<[u8; 1]>(at).is_some_and(|&[pointer]| pointer <= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_route_is_left_until_its_pointer_is_beyond_it() {
        for (options, left) in [
            (&[][..], false),
            (&[1, 1, 1, 1], false),
            (&[131, 7, 4, 10, 0, 0, 1, 0], true),
            (&[1, 137, 7, 4, 10, 0, 0, 1], true),
            (&[131, 7, 8, 10, 0, 0, 1, 0], false),
            (&[131, 11, 8, 10, 0, 0, 1, 10, 0, 0, 2, 0], true),
            // Behind the end, and behind another option.
            (&[0, 131, 7, 4, 10, 0, 0, 1], false),
            (&[7, 7, 4, 131, 7, 4, 0, 131, 7, 4, 10, 0, 0, 1, 0, 0], true),
            (&[7, 7, 4, 131, 7, 4, 0, 0], false),
            (&[148, 4, 0, 0, 131, 7, 4, 10, 0, 0, 1, 0], true),
            // Lengths that can't be.
            (&[7, 0, 131, 7, 4, 10, 0, 1], false),
            (&[7, 1, 131, 7, 4, 10, 0, 1], false),
            (&[7, 255, 131, 7, 4, 10, 0, 1], false),
            // A pointer that is none of the options.
            (&[1, 1, 131, 250], false),
        ] {
            let packet = [&[0xff; 3][..], options, &[131, 7, 4, 0]].concat();
            assert_eq!(is_left(&packet[..], 3, 3 + options.len()), left, "{options:?}");
        }
        assert!(!is_left(&[131_u8, 7][..], 0, 2), "a packet that ends");
        assert!(!is_left(&[1_u8; 60][..], 0, 40));
    }
}
