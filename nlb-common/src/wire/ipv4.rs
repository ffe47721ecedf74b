//! IPv4 (RFC 791).

use core::hint::cold_path;

use crate::checksum::Checksum;

/// The fixed part of an IPv4 header. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// Version, and header length in 32-bit words.
    pub version_and_words: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Length of header and payload.
    pub total_length: u16,
    /// Identification.
    pub identification: u16,
    /// Flags and fragment offset.
    pub fragment: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol number of the payload.
    pub protocol: u8,
    /// Header checksum.
    pub checksum: u16,
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
}

impl Ipv4 {
    /// Length of the fixed part.
    pub const LENGTH: usize = size_of::<Self>();
    /// Version 4, and the header length of a header without options.
    pub const PLAIN: u8 = 0x45;
    /// The flag "don't fragment", in network byte order.
    pub const DONT_FRAGMENT: u16 = 0x4000_u16.to_be();
    /// The flag "more fragments", in network byte order.
    pub const MORE_FRAGMENTS: u16 = 0x2000_u16.to_be();

    /// Header length in bytes with options, `None` if version or length can't be.
    #[inline(always)]
    pub fn header_length(&self) -> Option<usize> {
        if self.version_and_words == Self::PLAIN {
            return Some(Self::LENGTH);
        }
        cold_path();
        let length = usize::from(self.version_and_words & 0xf) * 4;
        (self.version_and_words >> 4 == 4 && length >= Self::LENGTH).then_some(length)
    }

    /// The header, which has no options, with its checksum.
    #[inline(always)]
    #[must_use]
    pub const fn with_checksum(self) -> Self {
        let checksum = Checksum::new()
            .add_u16(u16::from_ne_bytes([self.version_and_words, self.traffic_class]))
            .add_u16(self.total_length)
            .add_u16(self.identification)
            .add_u16(self.fragment)
            .add_u16(u16::from_ne_bytes([self.ttl, self.protocol]))
            .add_u32(self.source)
            .add_u32(self.destination)
            .finish();
        Self { checksum, ..self }
    }

    /// Length of header and payload in bytes.
    #[inline(always)]
    pub const fn total_length(&self) -> u16 {
        u16::from_be(self.total_length)
    }

    /// Whether this is a part of a datagram that isn't its first.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        self.fragment & 0x1fff_u16.to_be() != 0
    }

    /// Where in its datagram's payload this part begins, in bytes.
    #[inline(always)]
    pub fn fragment_offset(&self) -> usize {
        usize::from(u16::from_be(self.fragment) & 0x1fff) * 8
    }

    /// Whether other parts of the datagram follow.
    #[inline(always)]
    pub const fn more_fragments(&self) -> bool {
        self.fragment & Self::MORE_FRAGMENTS != 0
    }

    /// Whether this is a part of a datagram: more follow, or it isn't the first.
    #[inline(always)]
    pub const fn is_fragment(&self) -> bool {
        self.fragment & 0x3fff_u16.to_be() != 0
    }
}
