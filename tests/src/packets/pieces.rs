//! Datagrams cut into pieces, by the packet library.

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader};

use super::described::{Described, Network};

/// The order of three things, each way that there is.
pub const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// A piece of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What the pieces of a datagram have in common; 16 bits for IPv4.
    pub identification: u32,
    /// Where it begins, a multiple of 8.
    pub offset: usize,
    /// Whether others follow.
    pub more: bool,
}

impl Piece {
    /// The IP packet that carries `bytes` as this piece of what `packet` is.
    pub fn ip(self, packet: &Described, bytes: &[u8]) -> Vec<u8> {
        let Self { identification, offset, more } = self;
        let offset = IpFragOffset::try_new(u16::try_from(offset / 8).expect("13 bits")).expect("13 bits");
        let protocol = packet.segment.number();
        match packet.network {
            Network::V4 { .. } => {
                let whole = packet.ip_carrying(protocol, bytes);
                let (mut header, _) = Ipv4Header::from_slice(&whole).expect("built by the library");
                header.identification = u16::try_from(identification).expect("16 bits");
                (header.dont_fragment, header.more_fragments, header.fragment_offset) = (false, more, offset);
                header.header_checksum = header.calc_header_checksum();
                [&header.to_bytes()[..], bytes].concat()
            }
            Network::V6(_) => {
                let header = Ipv6FragmentHeader::new(protocol, offset, more, identification);
                let behind = [&header.to_bytes()[..], bytes].concat();
                packet.ip_carrying(IpNumber::IPV6_FRAGMENTATION_HEADER, &behind)
            }
        }
    }
}

/// What `packet` carries in three pieces, which `cuts` part: as IP packets.
pub fn in_three(packet: &Described, identification: u32, cuts: [usize; 2]) -> [Vec<u8>; 3] {
    let whole = packet.transport();
    let [first, second] = cuts;
    [(0, first), (first, second), (second, whole.len())]
        .map(|(offset, end)| Piece { identification, offset, more: end < whole.len() }.ip(packet, &whole[offset..end]))
}
