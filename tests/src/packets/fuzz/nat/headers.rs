//! What becomes of a translated packet's headers (RFC 3022, section 4; RFC 7915, sections 4.1, 4.5 and 5.1).

use std::net::IpAddr;

use etherparse::{IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header};
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;

use super::super::read::Ip;

/// The checksum that takes the place of `checksum` when `before` becomes `after` (RFC 1624, equation 3).
pub(super) fn updated(checksum: u16, before: &[u8], after: &[u8]) -> u16 {
    let kept = words(before).map(|word| u64::from(!word)).chain(words(after).map(u64::from));
    folded(u64::from(!checksum) + kept.sum::<u64>())
}

/// Of everything (RFC 1071).
fn from_scratch(bytes: &[u8]) -> u16 {
    folded(words(bytes).map(u64::from).sum())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]))
}

fn folded(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Both addresses as they stand in a header.
pub(super) fn addresses(flow: &Flow) -> Vec<u8> {
    let bytes = |address| match IpAddr::from(address) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    [bytes(flow.source), bytes(flow.destination)].concat()
}

pub(super) fn ports(flow: &Flow) -> Vec<u8> {
    [flow.source_port.to_ne_bytes(), flow.destination_port.to_ne_bytes()].concat()
}

/// Where a TCP or UDP header has its checksum.
pub(super) fn checksum_field(protocol: u8) -> usize {
    if protocol == 6 { 16 } else { 6 }
}

/// Writes another checksum of TCP or UDP; of UDP, 0 says that there is none.
pub(super) fn write_checksum(field: &mut [u8], protocol: u8, checksum: u16) {
    let checksum = if protocol == 17 && checksum == 0 { 0xffff } else { checksum };
    field.copy_from_slice(&checksum.to_be_bytes());
}

/// Whether an IPv4 header has a source route with addresses left (RFC 791, section 3.1).
pub(super) fn is_underway(header: &[u8]) -> bool {
    let mut options = if header[0] >> 4 == 4 { &header[20..] } else { &[] };
    loop {
        options = match *options {
            [131 | 137, length, pointer, ..] if pointer <= length => return true,
            [1, ref rest @ ..] => rest,
            [kind, length, ..] if kind != 0 && length >= 2 => options.get(usize::from(length)..).unwrap_or_default(),
            _ => return false,
        };
    }
}

/// What a piece says of its datagram as it leaves.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Cut {
    /// By IPv4 its low 16 bits; within IPv6 it stays what it was.
    pub identification: u32,
    /// Where the piece begins, in bytes.
    pub offset: usize,
    /// Others follow.
    pub more: bool,
    /// It has extension headers behind the fragment header.
    pub is_extended: bool,
}

impl Cut {
    fn name(&self) -> u16 {
        u16::try_from(self.identification & 0xffff).expect("16 bits")
    }

    fn place(&self) -> IpFragOffset {
        IpFragOffset::try_new(u16::try_from(self.offset / 8).expect("13 bits")).expect("13 bits")
    }
}

/// The packet, which is of flow `from`, as one of flow `to`.
pub(super) fn translated(
    frame: &[u8],
    ip: &Ip,
    cut: Option<&Cut>,
    from: &Flow,
    to: &Flow,
) -> Result<Vec<u8>, DropReason> {
    let header = &frame[ip.packet.start..ip.payload.start];
    let mut payload = frame[ip.payload.clone()].to_vec();
    let crosses = from.source.is_v4() != to.source.is_v4();
    if crosses && (is_underway(header) || cut.is_some_and(|cut| cut.is_extended)) {
        return Err(DropReason::OtherFamily);
    }
    if cut.is_none_or(|cut| cut.offset == 0) {
        translate_transport(&mut payload, cut.is_some(), from, to)?;
    }
    let header = if crosses {
        crossed(header, to, from.protocol, payload.len(), 1, cut)
    } else {
        readdressed(header, to, 1, cut)
    };
    Ok([header, payload].concat())
}

/// Gives `payload`, which begins with TCP's or UDP's header, other ports and a checksum that agrees.
fn translate_transport(payload: &mut [u8], cut: bool, from: &Flow, to: &Flow) -> Result<(), DropReason> {
    payload[..4].copy_from_slice(&ports(to));
    let field = checksum_field(from.protocol);
    let crosses = from.source.is_v4() != to.source.is_v4();
    let none = from.protocol == 17 && payload[field..field + 2] == [0, 0];
    if none && crosses && cut {
        return Err(DropReason::OtherFamily);
    }
    if none && crosses {
        let datagram = &payload[..usize::from(word(payload, 4))];
        let length = u32::try_from(datagram.len()).expect("short").to_be_bytes();
        let checksum = from_scratch(&[&addresses(to), &length[..], &[0, 0, 0, 17], datagram].concat());
        write_checksum(&mut payload[field..field + 2], 17, checksum);
    } else if !none {
        let ends = |flow| [addresses(flow), ports(flow)].concat();
        let checksum = updated(word(payload, field), &ends(from), &ends(to));
        write_checksum(&mut payload[field..field + 2], from.protocol, checksum);
    }
    Ok(())
}

/// `header` with other addresses of its family, and so many hops less.
pub(super) fn readdressed(header: &[u8], to: &Flow, hops: u8, cut: Option<&Cut>) -> Vec<u8> {
    let mut header = header.to_vec();
    if header[0] >> 4 == 6 {
        header[7] -= hops;
        header[8..40].copy_from_slice(&addresses(to));
        return header;
    }
    let kept = |header: &[u8]| [&header[4..6], &header[8..10], &header[12..20]].concat();
    let before = kept(&header);
    if let Some(cut) = cut {
        header[4..6].copy_from_slice(&cut.name().to_be_bytes());
    }
    header[8] -= hops;
    header[12..20].copy_from_slice(&addresses(to));
    let checksum = updated(word(&header, 10), &before, &kept(&header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// The other family's header for `header`, before `length` bytes of `protocol`. An IPv4 packet that may be fragmented has no
/// identification yet.
pub(super) fn crossed(header: &[u8], to: &Flow, protocol: u8, length: usize, hops: u8, cut: Option<&Cut>) -> Vec<u8> {
    if header[0] >> 4 == 4 {
        let addresses = addresses(to);
        let piece = cut.map(|cut| {
            let Cut { identification, more, .. } = *cut;
            Ipv6FragmentHeader::new(IpNumber(protocol), cut.place(), more, identification).to_bytes().to_vec()
        });
        let (protocol, piece) = piece.map_or((protocol, Vec::new()), |piece| (44, piece));
        let header = Ipv6Header {
            traffic_class: header[1],
            flow_label: Ipv6FlowLabel::ZERO,
            payload_length: u16::try_from(piece.len() + length).expect("as short as a packet by IPv4"),
            next_header: IpNumber(protocol),
            hop_limit: header[8] - hops,
            source: addresses[..16].try_into().expect("16 bytes"),
            destination: addresses[16..].try_into().expect("16 bytes"),
        };
        return [&header.to_bytes()[..], &piece].concat();
    }
    let class = header[0] << 4 | header[1] >> 4;
    let addresses = addresses(to);
    let (source, destination) =
        (addresses[..4].try_into().expect("4 bytes"), addresses[4..].try_into().expect("4 bytes"));
    let length = u16::try_from(length).expect("as short as a packet by IPv4");
    let mut new = Ipv4Header::new(length, header[7] - hops, IpNumber(protocol), source, destination)
        .expect("as short as a packet by IPv4");
    new.dscp = IpDscp::try_new(class >> 2).expect("six bits");
    new.ecn = IpEcn::try_new(class & 3).expect("two bits");
    new.dont_fragment = new.total_len > 1_260;
    if let Some(cut) = cut {
        (new.identification, new.dont_fragment) = (cut.name(), false);
        (new.fragment_offset, new.more_fragments) = (cut.place(), cut.more);
    }
    new.header_checksum = new.calc_header_checksum();
    new.to_bytes().to_vec()
}
