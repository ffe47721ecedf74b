//! One address type for both families.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address: four 32-bit words in network byte order. IPv4 is held as `::ffff:a.b.c.d`
/// (RFC 4291, section 2.5.5.2), so that one map serves both families.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub [u32; 4]);

/// The third word of every IPv4-mapped address, in network byte order.
pub const V4_MAPPED: u32 = 0xffff_u32.to_be();

impl Address {
    /// The IPv4 address whose 32 bits are `word`, in network byte order.
    #[inline(always)]
    pub const fn v4(word: u32) -> Self {
        Self([0, 0, V4_MAPPED, word])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] | self.0[1] | (self.0[2] ^ V4_MAPPED) == 0
    }

    /// The same address, taken word by word. Where it goes into a header of a packet, which is packed, the compiler for eBPF
    /// would otherwise copy it byte by byte.
    #[inline(always)]
    #[must_use]
    pub const fn by_words(self) -> Self {
        let [first, second, third, fourth] = self.0;
        Self([first, second, third, fourth])
    }

    /// The 16 bytes as they would stand in an IPv6 header.
    pub fn octets(&self) -> [u8; 16] {
        let mut octets = [0; 16];
        for (chunk, word) in octets.chunks_exact_mut(4).zip(self.0) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        octets
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(u32::from_ne_bytes(v4.octets())),
            IpAddr::V6(v6) => {
                let mut words = [0; 4];
                for (word, chunk) in words.iter_mut().zip(v6.octets().chunks_exact(4)) {
                    *word = u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
                }
                Self(words)
            }
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            Ipv4Addr::from(address.0[3].to_ne_bytes()).into()
        } else {
            Ipv6Addr::from(address.octets()).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_round_trip() {
        for text in ["192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Address::from(address)), address);
        }
    }

    #[test]
    fn octets_are_in_wire_order() {
        let address = Address::from("2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!(address.octets()[..4], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(Address::from("192.0.2.1".parse::<IpAddr>().unwrap()).octets()[10..], [0xff, 0xff, 192, 0, 2, 1]);
    }
}
