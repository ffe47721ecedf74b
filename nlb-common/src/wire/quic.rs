//! QUIC, as far as all its versions have it (RFC 8999).

/// The beginning of a long header: what stands before the destination's connection id. The version is in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuicLong {
    /// The highest bit is set; the others are the version's own.
    pub first: u8,
    /// Version.
    pub version: u32,
    /// Length of the destination's connection id.
    pub id_length: u8,
}

impl QuicLong {
    /// Length of what stands before the connection id.
    pub const LENGTH: usize = size_of::<Self>();
}

/// The first 16 bytes from where a connection id begins, however long it is: words, so that the compiler reads them as such.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    first: u64,
    second: u64,
}

impl ConnectionId {
    /// The three high bits of the first byte.
    #[inline(always)]
    pub const fn rotation(&self) -> u8 {
        self.first.to_ne_bytes()[0] >> 5
    }

    /// The bytes as two words, little-endian.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        [u64::from_le(self.first), u64::from_le(self.second)]
    }
}
