//! ICMP (RFC 792) and ICMPv6 (RFC 4443), as far as a balancer looks.

/// What every message of both begins with. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum: of the message for ICMP, with a pseudo-header for ICMPv6.
    pub checksum: u16,
    /// What the type makes of it: an echo's identifier and number, an MTU, or nothing.
    pub rest: u32,
}

impl Icmp {
    /// Length of the header.
    pub const LENGTH: usize = size_of::<Self>();

    /// Type and code as one word, as it stands in the packet.
    #[inline(always)]
    pub const fn kind_and_code(self) -> u16 {
        u16::from_ne_bytes([self.kind, self.code])
    }
}
