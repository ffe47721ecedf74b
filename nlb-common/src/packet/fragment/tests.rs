//! Pieces of datagrams, encoded by hand.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::super::network::MAX_EXTENSIONS;
use super::super::{NotOurs, link};
use super::*;

/// An IPv4 packet with that protocol, flags and offset word, and payload length.
fn v4(protocol: u8, word: u16, payload: usize, options: usize) -> Vec<u8> {
    let header = 20 + 4 * options;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x40 | u8::try_from(header / 4).unwrap(), 0]);
    frame.extend(u16::try_from(header + payload).unwrap().to_be_bytes());
    frame.extend([0xbe, 0xef]);
    frame.extend(word.to_be_bytes());
    frame.extend([64, protocol, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6]);
    frame.extend(vec![1; 4 * options]);
    frame.extend(vec![0xab; payload]);
    frame
}

/// An IPv6 packet: a chain of headers (kind and bytes), then the payload, of that protocol.
fn v6(chain: &[(u8, Vec<u8>)], protocol: u8, payload: usize) -> Vec<u8> {
    let kinds = chain.iter().map(|(kind, _)| *kind).chain([protocol]);
    let mut behind = Vec::new();
    for ((_, bytes), next) in chain.iter().zip(kinds.clone().skip(1)) {
        behind.push(next);
        behind.extend(&bytes[1..]);
    }
    behind.extend(vec![0xab; payload]);
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend(u16::try_from(behind.len()).unwrap().to_be_bytes());
    frame.extend([kinds.clone().next().unwrap(), 64]);
    frame.extend([0x20; 16]);
    frame.extend([0x30; 16]);
    frame.extend(behind);
    frame
}

fn cut(word: u16) -> (u8, Vec<u8>) {
    let [high, low] = word.to_be_bytes();
    (44, vec![0, 0, high, low, 0xde, 0xad, 0xbe, 0xef])
}

fn options(kind: u8, units: u8) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; 8 + 8 * usize::from(units)];
    bytes[1] = units;
    (kind, bytes)
}

/// An authentication header with that many words of 4 bytes beyond the first two.
fn authentication(words: u8) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; 8 + 4 * usize::from(words)];
    bytes[1] = words;
    (51, bytes)
}

fn read(frame: &[u8]) -> Result<Fragment, Stop> {
    fn of_family<F: Fragmented>(frame: &[u8], at: usize) -> Result<Fragment, Stop> {
        F::read_fragment(frame, at, F::read_part(frame, at)?)
    }
    let link = link::read(frame)?;
    if frame[12] == 8 { of_family::<V4>(frame, link.length) } else { of_family::<V6>(frame, link.length) }
}

#[test]
fn a_piece_is_read_as_it_was_written() {
    // Frame; offset, whether others follow, length of the piece, where the transport header or the piece begins, protocol.
    let table = [
        (v4(17, 0, 30, 0), (0, false, 30, 34, 17)),
        (v4(17, 0x4000, 30, 0), (0, false, 30, 34, 17)),
        (v4(6, 0x2000, 32, 0), (0, true, 32, 34, 6)),
        (v4(6, 0x2004, 32, 3), (32, true, 32, 46, 6)),
        (v4(6, 0x1fff, 5, 10), (65_528, false, 5, 74, 6)),
        (v6(&[], 17, 30), (0, false, 30, 54, 17)),
        (v6(&[cut(0)], 17, 30), (0, false, 30, 62, 17)),
        (v6(&[cut(1)], 17, 32), (0, true, 32, 62, 17)),
        (v6(&[cut(0x0020)], 17, 31), (32, false, 31, 62, 17)),
        (v6(&[cut(0x0021)], 17, 32), (32, true, 32, 62, 17)),
        // Reserved bits mean nothing.
        (v6(&[cut(0x0026)], 17, 31), (32, false, 31, 62, 17)),
        (v6(&[options(0, 0), cut(1)], 6, 32), (0, true, 32, 70, 6)),
        // What was cut begins with more headers: they are the first piece's.
        (v6(&[options(0, 1), cut(1), options(60, 1), authentication(4)], 6, 24), (0, true, 64, 118, 6)),
        // A later piece doesn't have them.
        (v6(&[options(0, 1), cut(0x101)], 60, 24), (256, true, 24, 78, 60)),
    ];
    for (frame, expected) in table {
        let Fragment { network, offset, more, length, .. } = read(&frame).unwrap();
        assert_eq!((offset, more, length, network.payload, network.protocol), expected, "{frame:02x?}");
        assert_eq!(network.payload + network.payload_length, frame.len(), "{frame:02x?}");
        assert_eq!(14 + network.length, frame.len());
    }
}

#[test]
fn pieces_of_one_datagram_have_one_name_and_others_another() {
    let key = |frame: &[u8]| read(frame).unwrap().key();
    let of_v4 = key(&v4(17, 0x2000, 32, 0));
    assert_eq!((of_v4.identification, of_v4.protocol), (u32::from(0xbeef_u16.to_be()), 17));
    assert_eq!(key(&v4(17, 4, 3, 2)), of_v4);
    assert_ne!(key(&v4(6, 4, 3, 0)), of_v4, "another protocol");
    let of_v6 = key(&v6(&[cut(1), options(60, 0)], 17, 24));
    assert_eq!((of_v6.identification, of_v6.protocol), (0xdead_beef_u32.to_be(), 0));
    assert_eq!(key(&v6(&[cut(0x20)], 60, 24)), of_v6);
    assert_eq!(key(&v6(&[cut(0x20)], 17, 24)), of_v6, "the protocol is no part of the name");
}

#[test]
fn what_cannot_be_a_piece_is_told() {
    let table = [
        ("a first piece", v4(17, 0x2000, 32, 0), true),
        ("a last piece of one byte", v4(17, 4, 1, 0), true),
        ("nothing", v4(17, 4, 0, 0), false),
        ("nothing, with more to come", v4(17, 0x2000, 0, 0), false),
        ("seven bytes with more to come", v4(17, 0x2004, 7, 0), false),
        ("the end of the longest", v4(17, 0x1ffd, 3, 0), true),
        ("one more byte", v4(17, 0x1ffd, 4, 0), false),
        ("the same with options", v4(17, 0x1ffd, 3, 1), false),
        ("within the TCP header", v4(6, 1, 64, 0), false),
        ("within its end", v4(6, 2, 64, 0), false),
        ("behind the shortest", v4(6, 3, 64, 0), true),
        ("at the same place of UDP", v4(17, 1, 64, 0), true),
        ("nothing by IPv6", v6(&[cut(0x20)], 17, 0), false),
        ("torn by IPv6", v6(&[cut(0x21)], 17, 12), false),
        ("the end of the longest by IPv6", v6(&[cut(0xfff8)], 17, 7), true),
        ("one more byte by IPv6", v6(&[cut(0xfff8)], 17, 8), false),
        ("the same behind options", v6(&[options(0, 0), cut(0xfff8)], 17, 7), false),
        ("within the TCP header by IPv6", v6(&[cut(0x10)], 6, 64), false),
    ];
    for (what, frame, can_be) in table {
        let expected = if can_be { Ok(()) } else { Err(DropReason::BadFragment) };
        assert_eq!(read(&frame).unwrap().check(), expected, "{what}: {frame:02x?}");
    }
}

#[test]
fn a_chain_that_cannot_be_read_says_why() {
    const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedNetwork);
    let many = |number: usize| vec![options(60, 0); number];
    let table = [
        ("half a fragment header", v6(&[], 44, 7), TRUNCATED),
        ("the first piece ends within the chain", v6(&[cut(1)], 60, 4), TRUNCATED),
        (
            "too many headers before",
            v6(&[many(MAX_EXTENSIONS + 1), vec![cut(1)]].concat(), 17, 8),
            Stop::Drop(DropReason::ExtensionHeaders),
        ),
        (
            "too many headers behind",
            v6(&[vec![cut(1)], many(MAX_EXTENSIONS + 1)].concat(), 17, 8),
            Stop::Drop(DropReason::ExtensionHeaders),
        ),
        (
            "nodes left to visit",
            v6(&[(43, vec![0, 0, 4, 1, 0, 0, 0, 0]), cut(1)], 17, 8),
            Stop::Pass(NotOurs::Underway),
        ),
    ];
    for (what, frame, expected) in table {
        assert_eq!(read(&frame), Err(expected), "{what}: {frame:02x?}");
    }
    assert!(read(&v6(&[many(MAX_EXTENSIONS), vec![cut(1)], many(MAX_EXTENSIONS)].concat(), 17, 8)).is_ok());
}

#[test]
fn only_pieces_of_balanced_protocols_are_waited_for() {
    let may_be = |frame: &[u8]| read(frame).unwrap().may_be_balanced();
    for protocol in 0..=u8::MAX {
        let balanced = matches!(protocol, 6 | 17 | 132);
        assert_eq!(may_be(&v4(protocol, 3, 64, 0)), balanced, "{protocol} by IPv4");
        let headers = matches!(protocol, 0 | 43 | 51 | 60);
        assert_eq!(may_be(&v6(&[cut(0x20)], protocol, 64)), balanced || headers, "{protocol} by IPv6");
    }
}
