//! ICMP and ICMPv6: what a VIP answers, and to whom.
//!
//! Pure: from headers to headers. The families differ in numbers and headers, which [`Control`] names, and in nothing else.

pub mod echo;

use crate::address::Address;
use crate::checksum::Checksum;
use crate::packet::network::{Family, V4, V6};
use crate::tunnel::HOP_LIMIT;
use crate::wire::{Header, Ipv4, Ipv6, protocol};

/// A family's control messages.
pub trait Control: Family {
    /// Its IP header, without options or extensions.
    type Ip: Header;

    /// The number of its control protocol.
    const CONTROL: u8;
    /// The type of an echo request.
    const ECHO_REQUEST: u8;
    /// The type of the answer to one.
    const ECHO_REPLY: u8;

    /// `header` with source and destination exchanged, and a hop limit as from a host. What else it says stays.
    fn returned(header: &Self::Ip) -> Self::Ip;
}

impl Control for V4 {
    type Ip = Ipv4;

    const CONTROL: u8 = protocol::ICMP;
    const ECHO_REQUEST: u8 = 8;
    const ECHO_REPLY: u8 = 0;

    #[inline(always)]
    fn returned(header: &Ipv4) -> Ipv4 {
        // Exchanging two words leaves their sum as it is.
        let checksum = Checksum::from_header(header.checksum)
            .remove_u16(u16::from_ne_bytes([header.ttl, header.protocol]))
            .add_u16(u16::from_ne_bytes([HOP_LIMIT, header.protocol]))
            .finish();
        Ipv4 { ttl: HOP_LIMIT, checksum, source: header.destination, destination: header.source, ..*header }
    }
}

impl Control for V6 {
    type Ip = Ipv6;

    const CONTROL: u8 = protocol::ICMPV6;
    const ECHO_REQUEST: u8 = 128;
    const ECHO_REPLY: u8 = 129;

    #[inline(always)]
    fn returned(header: &Ipv6) -> Ipv6 {
        Ipv6 {
            hop_limit: HOP_LIMIT,
            source: { header.destination }.by_words(),
            destination: { header.source }.by_words(),
            ..*header
        }
    }
}

/// Whether `source` is one host that may be answered: neither unspecified nor a group, nor what never leaves a host (RFC 1122,
/// section 3.2.2; RFC 4443, section 2.4).
#[inline(always)]
pub const fn is_answerable(source: &Address) -> bool {
    let [first, second, third, fourth] = source.0;
    if source.is_v4() {
        // 0/8, 127/8, and from 224 on: multicast, reserved and broadcast.
        let network = fourth.to_ne_bytes()[0];
        network != 0 && network != 127 && network < 224
    } else {
        let is_multicast = first.to_ne_bytes()[0] == 0xff;
        // ::/96 holds the unspecified address, the loopback and what nobody uses.
        !is_multicast && (first != 0 || second != 0 || third != 0)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    #[test]
    fn only_a_single_host_is_answered() {
        let table = [
            ("198.51.100.7", true),
            ("10.0.0.1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
        ];
        for (address, answerable) in table {
            let source = Address::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(is_answerable(&source), answerable, "{address}");
        }
    }
}
