//! What becomes of an error message about a translated flow (RFC 5508, section 4; RFC 7915, sections 4.2, 4.3, 5.2 and 5.3).

use nlb_common::address::Address;
use nlb_common::drop_reason::DropReason;
use nlb_common::hash::Flow;

use super::super::control::Blamed;
use super::super::read::Ip;
use super::headers::{
    addresses, checksum_field, crossed, is_underway, ports, readdressed, updated, word, write_checksum,
};

/// The least and the last code, of a type, and what they become.
type Rule = (u8, u8, u8, u8, Option<u8>);

/// By IPv6; without a code, it stays.
const INTO_V6: &[Rule] = &[
    (3, 0, 1, 1, Some(0)),
    (3, 2, 2, 4, Some(1)),
    (3, 3, 3, 1, Some(4)),
    (3, 4, 4, 2, Some(0)),
    (3, 5, 8, 1, Some(0)),
    (3, 9, 10, 1, Some(1)),
    (3, 11, 12, 1, Some(0)),
    (3, 13, 13, 1, Some(1)),
    (3, 15, 15, 1, Some(1)),
    (11, 0, 255, 3, None),
    (12, 0, 0, 4, Some(0)),
    (12, 2, 2, 4, Some(0)),
];
/// By IPv4.
const INTO_V4: &[Rule] = &[
    (1, 0, 0, 3, Some(1)),
    (1, 1, 1, 3, Some(10)),
    (1, 2, 3, 3, Some(1)),
    (1, 4, 4, 3, Some(3)),
    (2, 0, 255, 3, Some(4)),
    (3, 0, 255, 11, None),
    (4, 0, 0, 12, Some(0)),
    (4, 1, 1, 3, Some(2)),
];
/// Where an IPv4 header has what an IPv6 header has from there on: figures 3 and 6.
const POINTERS_V6: [(u8, Option<u8>); 8] =
    [(0, Some(0)), (1, Some(1)), (2, None), (4, Some(2)), (6, Some(9)), (7, Some(8)), (8, Some(12)), (24, Some(16))];
/// The same the other way round.
const POINTERS_V4: [(u8, Option<u8>); 10] = [
    (0, Some(0)),
    (1, Some(1)),
    (2, Some(4)),
    (4, None),
    (8, Some(7)),
    (9, Some(6)),
    (10, None),
    (12, Some(8)),
    (16, Some(24)),
    (20, None),
];
/// MTUs of RFC 1191 that a packet may have been too long for, and that are no less than IPv6's least.
const PLATEAUS: [u32; 6] = [32_000, 17_914, 8_166, 4_352, 2_002, 1_492];

fn pointer(table: &[(u8, Option<u8>)], pointer: u32) -> Option<u8> {
    table.iter().rev().find(|(first, _)| u32::from(*first) <= pointer)?.1
}

/// Type, code, checksum and what follows of the message of the other family.
fn header(v4: bool, message: &[u8]) -> Option<[u8; 8]> {
    let rules = if v4 { INTO_V6 } else { INTO_V4 };
    let (asked, code) = (message[0], message[1]);
    let &(.., kind, becomes) =
        rules.iter().find(|(kind, first, last, ..)| *kind == asked && (*first..=*last).contains(&code))?;
    let said = u32::from_be_bytes(message[4..8].try_into().expect("four bytes"));
    let rest = match (v4, asked, code) {
        (true, 3, 2) => 6,
        (true, 3, 4) => {
            let length = u32::from(word(message, 8 + 2));
            let mtu = match said & 0xffff {
                0 => PLATEAUS.into_iter().find(|plateau| *plateau < length).unwrap_or_default(),
                mtu => mtu,
            };
            1_280.max(mtu + 20)
        }
        (true, 12, _) => pointer(&POINTERS_V4, said >> 24)?.into(),
        // About a fragment: its own header is gone, too.
        (false, 2, _) => 65_535.min(said.saturating_sub(if message[8 + 6] == 44 { 28 } else { 20 })),
        (false, 4, 0) => {
            let within = (said < 40).then_some(said)?;
            u32::from(pointer(&POINTERS_V6, within)?) << 24
        }
        _ => 0,
    };
    let [a, b, c, d] = rest.to_be_bytes();
    Some([kind, becomes.unwrap_or(code), 0, 0, a, b, c, d])
}

/// The message, which is about a packet that answers to `blamed.flow`, as one about a packet of `quoted`.
pub(super) fn translated(frame: &[u8], ip: &Ip, blamed: &Blamed, quoted: &Flow) -> Result<Vec<u8>, DropReason> {
    let message = &frame[ip.payload.clone()];
    let outer = &frame[ip.packet.start..ip.payload.start];
    let (before, protocol) = (blamed.flow.reversed(), blamed.flow.protocol);
    let v4 = ip.source.is_ipv4();
    let crosses = v4 != quoted.source.is_v4();
    if crosses && is_underway(outer) {
        return Err(DropReason::OtherFamily);
    }
    let own_end = crosses || Address::from(ip.source) == blamed.flow.source;
    let source = if own_end { quoted.destination } else { ip.source.into() };
    let ends = Flow { source, destination: quoted.source, ..*quoted };

    let (quote, behind) = message[8..].split_at(blamed.ports);
    let mut transport = behind.to_vec();
    transport[..4].copy_from_slice(&ports(quoted));
    let field = checksum_field(protocol);
    let is_none = |field: &[u8]| protocol == 17 && field == [0, 0];
    if let Some(place) = transport.get_mut(field..field + 2).filter(|place| !is_none(place)) {
        let all = |flow| [addresses(flow), ports(flow)].concat();
        let checksum = updated(word(place, 0), &all(&before), &all(quoted));
        write_checksum(place, protocol, checksum);
    }
    let was = quote;
    let (head, quote) = if crosses {
        let length = usize::from(word(quote, if v4 { 2 } else { 4 })) + if v4 { 0 } else { 40 };
        let length = length.saturating_sub(quote.len());
        if length > 65_515 {
            return Err(DropReason::OtherFamily);
        }
        let head = header(v4, message).ok_or(DropReason::OtherFamily)?;
        (head, crossed(quote, quoted, protocol, length, 0, None))
    } else {
        let mut head: [u8; 8] = message[..8].try_into().expect("eight bytes");
        head[2..4].fill(0);
        (head, readdressed(quote, quoted, 0, None))
    };

    // Headers have even lengths: what is behind them keeps its place in a word.
    let pseudo = |v4: bool, addresses: Vec<u8>, length: usize| {
        let length = u32::try_from(length).expect("short").to_be_bytes();
        if v4 { Vec::new() } else { [&addresses[..], &length, &[0, 0, 0, 58]].concat() }
    };
    let mut new = [&head[..], &quote, &transport].concat();
    let addressed = if v4 { Vec::new() } else { outer[8..40].to_vec() };
    let before = [&pseudo(v4, addressed, message.len()), &message[..2], &message[4..8], was, behind].concat();
    let after = [&pseudo(v4 != crosses, addresses(&ends), new.len())[..], &new].concat();
    let checksum = updated(word(message, 2), &before, &after);
    let number = if v4 { 58 } else { 1 };
    let outer =
        if crosses { crossed(outer, &ends, number, new.len(), 1, None) } else { readdressed(outer, &ends, 1, None) };
    new[2..4].copy_from_slice(&checksum.to_be_bytes());
    Ok([outer, new].concat())
}
