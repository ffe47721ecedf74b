//! Which addresses have a service: `/proc/net/{tcp,tcp6,udp,udp6}`, read. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The files, and the state of a socket that takes new flows (`include/net/tcp_states.h`): LISTEN for TCP; CLOSE, which
/// is not connected, for UDP.
pub(super) const FILES: [(&str, &str); 4] = [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")];

/// The local addresses of the sockets in `state`.
pub(super) fn listening(file: &str, state: &str) -> BTreeSet<IpAddr> {
    let socket = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _remote, found) = (fields.next()?, fields.next()?, fields.next()?);
        (found == state).then(|| address(local.split_once(':')?.0))?
    };
    file.lines().skip(1).filter_map(socket).collect()
}

/// An address is written as 32-bit words in the host's byte order, in hexadecimal.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (place, at) in octets.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                place.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_found_and_connected_ones_left_out() {
        let file = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
                    0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000\n   \
                    1: 0A7100CB:0050 00000000:0000 0A 00000000:00000000\n   \
                    2: 0A7100CC:0050 0100007F:1234 01 00000000:00000000\n   nonsense\n";
        let expected = ["127.0.0.1", "203.0.113.10"].map(|text| text.parse().unwrap());
        assert_eq!(listening(file, "0A"), BTreeSet::from(expected));
    }

    #[test]
    fn ipv6_is_read_word_by_word() {
        let line = |hex: &str| format!("header\n 0: {hex}:0035 00000000000000000000000000000000:0000 07 0:0\n");
        for (hex, text) in [
            ("00000000000000000000000000000000", "::"),
            ("B80D0120000000000000000001000000", "2001:db8::1"),
            ("0000000000000000FFFF00000A7100CB", "203.0.113.10"),
        ] {
            assert_eq!(listening(&line(hex), "07"), BTreeSet::from([text.parse().unwrap()]), "{hex}");
        }
    }
}
