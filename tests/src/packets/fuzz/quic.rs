//! QUIC among the edge's listeners, and the server that a datagram names, read once more.

use nlb_common::layout::edge::QUIC_SERVERS;
use nlb_common::quic::{ServerId, ServerKey};

use anyhow::Result;

use crate::run::Edge;

/// Ports whose UDP listeners are of QUIC, each with the length of its server ids. Their rings are steady, in transition, one whose
/// flows are all remembered, and one by the client's address.
const LISTENERS: [(u16, u8); 4] = [(8_004, 1), (8_016, 1), (8_025, 2), (8_028, 1)];
/// The rotation bits of ids that name anybody: those that a described packet has, and their neighbours.
const ROTATIONS: [u8; 2] = [4, 5];
/// Room for all of them.
pub(super) const ROOM: (&str, u32) = (QUIC_SERVERS, 1 << 12);

/// The length of server ids at a listener of UDP; 0 if it isn't of QUIC.
pub(super) fn server_id_length(port: u16) -> u8 {
    LISTENERS.iter().find(|(of_quic, _)| *of_quic == port).map_or(0, |(_, length)| *length)
}

/// Lets the listener with those counters know its servers.
pub(super) fn fill(edge: &mut Edge, counters: u32, length: u8) -> Result<()> {
    if length == 0 {
        return Ok(());
    }
    for rotation in ROTATIONS {
        for first in 0..=u8::MAX {
            let id: Vec<_> = (0..length).map(|at| first.wrapping_add(at)).collect();
            let key = ServerKey::new(counters, ServerId::new(rotation, &id));
            edge.set_quic_server(key, target(rotation, &id))?;
        }
    }
    Ok(())
}

/// The target of that server: ids that name anybody go up by one with each byte, as described payloads do.
fn target(rotation: u8, id: &[u8]) -> Option<u32> {
    let first = *id.first()?;
    let goes_up = id.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    let is_named = ROTATIONS.contains(&rotation) && goes_up;
    is_named.then(|| 1 + u32::from(first) % super::tables::TARGETS)
}

/// The target that a UDP packet names, by ids of that length.
pub(super) fn named(udp: &[u8], length: usize) -> Option<u32> {
    let end = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    let datagram = udp.get(8..end)?;
    let id = if datagram.first()? & 0x80 == 0 {
        datagram.get(1..)?
    } else {
        let announced = usize::from(*datagram.get(5)?);
        datagram.get(6..).filter(|_| announced > length)?
    };
    let whole = id.get(..16)?;
    target(whole[0] >> 5, &whole[1..=length])
}
