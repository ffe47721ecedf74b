//! Ethernet II and IEEE 802.1Q.

/// What an Ethernet frame or VLAN tag carries. Held in network byte order.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self::new(0x0800);
    /// IPv6.
    pub const IPV6: Self = Self::new(0x86dd);
    /// A customer's VLAN tag (802.1Q).
    pub const VLAN: Self = Self::new(0x8100);
    /// A provider's VLAN tag (802.1ad, QinQ).
    pub const QINQ: Self = Self::new(0x88a8);

    /// The type with that number.
    pub const fn new(number: u16) -> Self {
        Self(number.to_be())
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        u16::from_be(self.0)
    }

    /// Whether a VLAN tag follows.
    #[inline(always)]
    pub const fn is_tag(self) -> bool {
        self.0 == Self::VLAN.0 || self.0 == Self::QINQ.0
    }
}

/// An Ethernet header.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Destination MAC address.
    pub destination: [u8; 6],
    /// Source MAC address.
    pub source: [u8; 6],
    /// What follows.
    pub ether_type: EtherType,
}

impl Ethernet {
    /// Whether the frame goes to a group: multicast or broadcast.
    #[inline(always)]
    pub const fn is_to_group(&self) -> bool {
        self.destination[0] & 1 != 0
    }
}

/// A VLAN tag after its own type, which stands in the header before it.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Priority, drop eligibility and VLAN number, network byte order.
    pub control: u16,
    /// What follows.
    pub ether_type: EtherType,
}

/// The MAC addresses that a frame begins with, destination and source, as they are stored.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macs {
    first: u64,
    last: u32,
}

impl Macs {
    /// To `destination`, from `source`.
    #[inline(always)]
    pub const fn new(destination: [u8; 6], source: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = destination;
        let [g, h, i, j, k, l] = source;
        // In words: the compiler copies arrays of six bytes one by one, and by way of the stack.
        Self { first: u64::from_ne_bytes([a, b, c, d, e, f, g, h]), last: u32::from_ne_bytes([i, j, k, l]) }
    }
}

/// A VLAN tag with the type that announces it: what stands between the source address and what follows.
pub type TagBytes = [u8; 4];

/// A whole link header with `TAGS` tags, and the header that it carries: written to a packet at once.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<H: Copy, const TAGS: usize> {
    /// Destination and source.
    pub macs: Macs,
    /// The tags, outermost first.
    pub tags: [TagBytes; TAGS],
    /// What the header is.
    pub ether_type: EtherType,
    /// The header.
    pub header: H,
}

impl<H: Copy, const TAGS: usize> Framed<H, TAGS> {
    /// Where the tags begin.
    pub const TAGS_AT: usize = 12;
}
