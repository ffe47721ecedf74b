//! IPv6 (RFC 8200).

use super::protocol;
use crate::address::Address;

/// An IPv6 header. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Version (4 bits), traffic class (8), flow label (20).
    pub version_class_label: u32,
    /// Length of what follows this header.
    pub payload_length: u16,
    /// Protocol number of what follows this header.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
}

impl Ipv6 {
    /// Length of the header.
    pub const LENGTH: usize = size_of::<Self>();
    /// Bits of a flow label.
    pub const FLOW_LABEL: u32 = 0xf_ffff;

    /// The first four bytes of a header.
    #[inline(always)]
    pub const fn first_word(traffic_class: u8, flow_label: u32) -> u32 {
        (6 << 28 | (traffic_class as u32) << 20 | flow_label & Self::FLOW_LABEL).to_be()
    }

    /// The version: 6, or the header is something else.
    #[inline(always)]
    pub const fn version(&self) -> u8 {
        self.version_class_label.to_ne_bytes()[0] >> 4
    }

    /// DSCP and ECN.
    #[inline(always)]
    pub const fn traffic_class(&self) -> u8 {
        let bytes = self.version_class_label.to_ne_bytes();
        bytes[0] << 4 | bytes[1] >> 4
    }

    /// Length of what follows this header.
    #[inline(always)]
    pub const fn payload_length(&self) -> u16 {
        u16::from_be(self.payload_length)
    }
}

/// The common start of the extension headers that are followed: hop-by-hop, destination options, routing, authentication.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Protocol number of what follows this extension.
    pub next_header: u8,
    /// Length in units of 8 bytes, without the first 8; of an authentication header in units of 4, without the first two.
    pub units: u8,
    /// For options: the first option. For routing: its type.
    pub kind: u8,
    /// For options: the first option. For routing: how many nodes are still to be visited.
    pub segments_left: u8,
}

impl Extension {
    /// The shortest extension in bytes.
    pub const SHORTEST: usize = 8;

    /// Its length in bytes as an extension of kind `kind`: 8 to 2,048 (RFC 8200, section 4; RFC 4302, section 2.2).
    #[inline(always)]
    pub fn length(&self, kind: u8) -> usize {
        let units = usize::from(self.units);
        if kind == protocol::AUTHENTICATION { (units + 2) * 4 } else { (units + 1) * Self::SHORTEST }
    }
}

/// The fragment header (RFC 8200, section 4.5).
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Protocol number of the first header of what was cut into pieces.
    pub next_header: u8,
    /// Reserved.
    pub reserved: u8,
    /// Where the piece begins, in units of 8 bytes (13 bits), and whether others follow (the last bit).
    pub offset: u16,
    /// What the pieces of a packet have in common.
    pub identification: u32,
}

impl FragmentHeader {
    /// Length of the header.
    pub const LENGTH: usize = size_of::<Self>();

    /// Where the piece begins in what was cut, in bytes.
    #[inline(always)]
    pub fn offset(&self) -> usize {
        usize::from(u16::from_be(self.offset) & 0xfff8)
    }

    /// Whether others follow.
    #[inline(always)]
    pub const fn more(&self) -> bool {
        self.offset & 1_u16.to_be() != 0
    }
}
