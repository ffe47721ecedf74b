//! The target host: what its program should do with a packet.
//!
//! It is to run where there is no socket and no route: a packet that belongs to another target has no way there.

use std::net::IpAddr;

use anyhow::Result;
use nlb_common::counters::DecapOutcome;

use super::control;
use super::read::{self, Ip, Link};
use super::{End, Outcome};
use crate::run::{Action, TargetHost};

/// The host's own addresses.
pub const HOST: [&str; 2] = ["10.0.0.77", "fd00::77:1"];
/// Edges.
pub const EDGES: [&str; 2] = ["10.0.255.1", "fd00::edce:1"];
/// Hosts that are no edges.
pub const STRANGERS: [&str; 2] = ["10.0.254.1", "fd00::edcf:1"];

/// The networks that the edges are in.
const NETWORKS: [(&str, u32); 2] = [("10.0.255.0", 24), ("fd00::edce:0", 112)];
/// GUE's port.
const GUE: u16 = 6080;
const CONGESTION: u8 = 0b11;

/// A loaded target host.
pub struct Scene {
    host: TargetHost,
}

/// What a tunnel holds.
struct Tunnel {
    protocol: u8,
    /// Where its payload begins, and room for it.
    payload: usize,
    room: usize,
    /// Whether another target is named that the packet may be sent on to.
    second: bool,
}

impl Scene {
    /// Loads a host.
    pub fn new() -> Result<Self> {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let networks = NETWORKS.map(|(network, length)| (address(network), length));
        Ok(Self { host: TargetHost::load(&HOST.map(address), &networks)? })
    }

    /// What the program makes of `frame`.
    pub fn run(&self, frame: &[u8]) -> Result<Outcome> {
        self.host.run(frame).map(Outcome::from)
    }

    /// Packets by outcome since the program was loaded.
    pub fn outcomes(&self) -> Result<Vec<(DecapOutcome, u64)>> {
        self.host.outcomes()
    }

    /// What it should make of it, and what it should count.
    pub fn expect(frame: &[u8]) -> (Outcome, Option<DecapOutcome>) {
        let pass = |outcome| (Outcome::untouched(Action::Pass, frame), outcome);
        let drop = |outcome| (Outcome::untouched(Action::Drop, frame), Some(outcome));
        let Ok((link, outer)) = headers(frame) else { return pass(None) };
        let gue = is_gue(frame, &outer);
        if !gue && !matches!(outer.protocol, 4 | 41) || !HOST.iter().any(|own| own.parse() == Ok(outer.destination)) {
            return pass(None);
        }
        if !is_edge(outer.source) {
            return pass(Some(DecapOutcome::UnknownEdge));
        }
        let tunnel = if gue {
            read_gue(frame, &outer, link.length)
        } else {
            Some(Tunnel {
                protocol: outer.protocol,
                payload: outer.payload.start,
                room: outer.payload.len(),
                second: false,
            })
        };
        let Some(tunnel) = tunnel else { return drop(DecapOutcome::Malformed) };
        let lost = tunnel.second && continues(frame, &tunnel);
        match inside(frame, &tunnel, outer.class) {
            Ok((ether_type, packet)) => {
                let header = link.rewritten(frame, &frame[..12], true, ether_type);
                let outcome = if lost { DecapOutcome::SecondChanceLost } else { DecapOutcome::Decapsulated };
                (Outcome { action: Action::Pass, frame: [header, packet].concat() }, Some(outcome))
            }
            Err(outcome) => drop(outcome),
        }
    }
}

fn headers(frame: &[u8]) -> Result<(Link, Ip), End> {
    let link = read::link(frame)?;
    let outer = read::network(frame, link.length, link.ether_type)?;
    Ok((link, outer))
}

fn is_gue(frame: &[u8], outer: &Ip) -> bool {
    let payload = &frame[outer.payload.clone()];
    outer.protocol == 17 && payload.len() >= 8 && payload[2..4] == GUE.to_be_bytes()
}

fn is_edge(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(source) => source.octets()[..3] == [10, 0, 255],
        IpAddr::V6(source) => source.octets()[..14] == [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xed, 0xce],
    }
}

/// UDP and GUE of variant 0, without control message, extension fields and unknown protocols.
fn read_gue(frame: &[u8], outer: &Ip, link: usize) -> Option<Tunnel> {
    let payload = &frame[outer.payload.clone()];
    let length = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
    // The header may stand behind what the IP header says that there is: then its lengths don't fit.
    let gue = frame.get(outer.payload.start + 8..outer.payload.start + 12)?;
    let private = usize::from(gue[0]) * 4;
    if gue[0] >= 32 || !matches!(gue[1], 4 | 41) || gue[2..4] != [0, 0] {
        return None;
    }
    if length > payload.len() || length < 12 + private {
        return None;
    }
    let (plain, address) = if outer.source.is_ipv4() { (20, 4) } else { (40, 16) };
    let data = &payload[12..12 + private];
    let named = outer.payload.start == link + plain && private == 4 + address;
    let second = named && data[..3] == [b'n', b'l', 1] && data[3] > 0;
    Some(Tunnel { protocol: gue[1], payload: outer.payload.start + 12 + private, room: length - 12 - private, second })
}

/// Whether the packet inside is one of TCP that opens nothing, or an error about one: it is looked for among connections.
fn continues(frame: &[u8], tunnel: &Tunnel) -> bool {
    let ether_type = if tunnel.protocol == 4 { read::IPV4 } else { read::IPV6 };
    let Ok(inner) = read::network(frame, tunnel.payload, ether_type) else { return false };
    if inner.packet.len() > tunnel.room {
        return false;
    }
    if control::message(frame, &inner).is_some() {
        return control::blamed(frame, &inner).is_some_and(|blamed| blamed.flow.protocol == 6);
    }
    if inner.protocol != 6 {
        return false;
    }
    read::transport(frame, &inner).is_ok_and(|tcp| tcp.broken.is_none() && !tcp.opens())
}

/// The packet inside as the stack shall see it, with all that follows, and what announces it.
fn inside(frame: &[u8], tunnel: &Tunnel, outer_class: u8) -> Result<(u16, Vec<u8>), DecapOutcome> {
    let mut packet = frame[tunnel.payload.min(frame.len())..].to_vec();
    let v4 = tunnel.protocol == 4;
    let header = if v4 { 20 } else { 40 };
    if packet.len() < header {
        return Err(DecapOutcome::Malformed);
    }
    let number = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let words = usize::from(packet[0] & 15) * 4;
    let (version, length) = if v4 { (4, number(2)) } else { (6, 40 + number(4)) };
    if packet[0] >> 4 != version || length > tunnel.room || v4 && (words < 20 || length < words) {
        return Err(DecapOutcome::Malformed);
    }
    let class = if v4 { packet[1] } else { packet[0] << 4 | packet[1] >> 4 };
    let mark = match (class & 3, outer_class & 3) {
        (0, CONGESTION) => return Err(DecapOutcome::Congestion),
        (0, _) => 0,
        (_, CONGESTION) => CONGESTION,
        (2, 1) => 1,
        (own, _) => own,
    };
    if mark == class & 3 {
        return Ok((if v4 { read::IPV4 } else { read::IPV6 }, packet));
    }
    if v4 {
        let before = u16::from_be_bytes([packet[0], packet[1]]);
        packet[1] = class & !3 | mark;
        let after = u16::from_be_bytes([packet[0], packet[1]]);
        let checksum = u16::from_be_bytes([packet[10], packet[11]]);
        packet[10..12].copy_from_slice(&updated(checksum, before, after).to_be_bytes());
    } else {
        packet[1] = packet[1] & 0x0f | (class & 0x0c | mark) << 4;
    }
    Ok((if v4 { read::IPV4 } else { read::IPV6 }, packet))
}

/// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
fn updated(checksum: u16, before: u16, after: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!before) + u32::from(after);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    !u16::try_from(sum & 0xffff).expect("16 bits")
}
