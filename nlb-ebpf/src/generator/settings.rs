//! What the loader says. All but the packet's first bytes are constants by the time that the kernel checks the program, so
//! that what is not asked for costs nothing.

use aya_ebpf::{Global, macros::map, maps::Array};

/// The interface that packets are sent out of.
#[unsafe(no_mangle)]
pub(super) static INTERFACE: Global<u32> = Global::new(0);

/// Whether packets are IPv6, else IPv4.
#[unsafe(no_mangle)]
pub(super) static IS_V6: Global<u8> = Global::new(0);

/// What they are: one of the constants of [`Kind`].
#[unsafe(no_mangle)]
pub(super) static KIND: Global<u8> = Global::new(Kind::TCP);

/// What packets are, as the loader says it.
pub(super) struct Kind;

impl Kind {
    pub(super) const TCP: u8 = 0;
    pub(super) const UDP: u8 = 1;
    /// An echo request.
    pub(super) const ECHO: u8 = 2;
    /// An ICMP error about a packet to the flow's source.
    pub(super) const ERROR: u8 = 3;
}

/// Whether they are fragments, each of a datagram of its own.
#[unsafe(no_mangle)]
pub(super) static IS_FRAGMENT: Global<u8> = Global::new(0);

/// Whether their sizes are mixed, else all are as long as the frame that the program is run on.
#[unsafe(no_mangle)]
pub(super) static IS_MIXED: Global<u8> = Global::new(0);

/// Whether each packet is of a random flow, else of the next one.
#[unsafe(no_mangle)]
pub(super) static IS_RANDOM: Global<u8> = Global::new(0);

/// The number of flows less one; their number is a power of two.
#[unsafe(no_mangle)]
pub(super) static FLOW_MASK: Global<u32> = Global::new(0);

/// The source address (IPv6: its last word) and port of flow 0.
#[unsafe(no_mangle)]
pub(super) static SOURCE: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub(super) static SOURCE_PORT: Global<u16> = Global::new(0);

/// The first destination address (IPv6: its last word), and how many there are from that one on.
#[unsafe(no_mangle)]
pub(super) static DESTINATION: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub(super) static DESTINATIONS: Global<u32> = Global::new(1);

/// Sums of what never changes under the checksums of IPv4, what it carries, and the IPv4 packet that an error quotes; not folded.
#[unsafe(no_mangle)]
pub(super) static IP_SUM: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub(super) static TRANSPORT_SUM: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub(super) static QUOTED_SUM: Global<u32> = Global::new(0);

/// 64-bit words that hold the longest headers: Ethernet, IPv6, TCP.
pub(super) const WORDS: usize = 10;

/// The headers, with zeros for what differs from packet to packet.
#[map]
pub(super) static HEADERS: Array<[u64; WORDS]> = Array::with_max_entries(1, 0);
