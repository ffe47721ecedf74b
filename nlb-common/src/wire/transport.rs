//! TCP (RFC 9293), UDP (RFC 768) and SCTP (RFC 9260), as far as a balancer looks.

/// What all begin with, in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// The fixed part of a TCP header. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Header length in 32-bit words, in the upper half.
    pub words: u8,
    /// SYN, ACK and the others.
    pub flags: u8,
    /// Receive window.
    pub window: u16,
    /// Checksum.
    pub checksum: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

impl Tcp {
    /// Length of the fixed part.
    pub const LENGTH: usize = size_of::<Self>();
    /// No more data comes from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// The connection is over.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The header length of a header without options.
    pub const PLAIN: u8 = 5 << 4;

    /// Header length in bytes with options.
    #[inline(always)]
    pub fn header_length(&self) -> usize {
        usize::from(self.words >> 4) * 4
    }

    /// Whether the segment opens a connection: SYN without ACK.
    #[inline(always)]
    pub const fn opens(&self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN
    }
}

/// A UDP header. All fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Ports.
    pub ports: Ports,
    /// Length of header and payload.
    pub length: u16,
    /// Checksum.
    pub checksum: u16,
}

impl Udp {
    /// Length of the header.
    pub const LENGTH: usize = size_of::<Self>();

    /// A header without checksum of a datagram to `port`. `length` counts the header too.
    #[inline(always)]
    pub const fn new(source_port: u16, port: u16, length: u16) -> Self {
        let ports = Ports { source: source_port.to_be(), destination: port.to_be() };
        Self { ports, length: length.to_be(), checksum: 0 }
    }

    /// Length of header and payload in bytes.
    #[inline(always)]
    pub const fn length(&self) -> u16 {
        u16::from_be(self.length)
    }
}

/// An SCTP packet's common header, and the header of its first chunk. Multi-byte fields are in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sctp {
    /// Ports.
    pub ports: Ports,
    /// Verification tag.
    pub tag: u32,
    /// CRC32c of the packet: forwarding leaves it right.
    pub checksum: u32,
    /// Type of the first chunk.
    pub chunk: u8,
    /// Its flags.
    pub flags: u8,
    /// Its length with this header.
    pub chunk_length: u16,
}

impl Sctp {
    /// Length of both headers.
    pub const LENGTH: usize = size_of::<Self>();
    /// The chunk that opens an association, alone in its packet.
    pub const INIT: u8 = 1;
    /// Length of a chunk's header.
    pub const CHUNK: u16 = 4;
}
