//! The edge's tables for all rows: each has its own listener, group and ring, and all share the targets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use nlb_common::address::Address;
use nlb_common::datagram::{Datagram, DatagramKey};
use nlb_common::flow::Tracking;
use nlb_common::layout::edge;
use nlb_common::listener::Claim;
use nlb_common::quic::{ServerId, ServerKey};
use nlb_common::ranges::MOST;
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};
use nlb_tests::run::{Edge, INGRESS};

use super::MOST_FLOWS;
use super::packet::{BEHIND_V4, BEHIND_V6, Kind, LATER_DATAGRAM, Packet, SERVER_ID, VIP_V4, VIP_V6};
use super::rows::{Claimed, FILLING_PORTS, IPIP, MOST_TARGETS, ROWS, Row, Slots, Way};

/// Slots of a ring.
const RING: u32 = 65_536;
/// An interface that is not the one that packets come in by. A test run never sends, so it need not exist.
const ELSEWHERE: u32 = 7_777;
/// The client of flow 0; `nlb_again` counts on from there.
const FIRST_CLIENT: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
/// Listeners beside those that packets are for.
const OTHER_LISTENERS: u32 = 1_800;

/// What goes to the row.
pub(super) fn packet(row: &Row) -> Packet {
    let vip = match (row.claimed, row.v6) {
        (Claimed::Elsewhere, false) => Ipv4Addr::new(192, 0, 2, 1).into(),
        (Claimed::Elsewhere, true) => Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, 1).into(),
        (Claimed::Gateway, _) => behind(row),
        (_, false) => VIP_V4.into(),
        (_, true) => VIP_V6.into(),
    };
    let translated = row.tracking == Tracking::Translated;
    Packet { vip, port: port(row), kind: row.kind, destination_mask: row.vips - 1, translated }
}

fn port(row: &Row) -> u16 {
    8_000 + number(row)
}

fn number(row: &Row) -> u16 {
    let number = ROWS.iter().position(|other| other.name == row.name).unwrap_or_default();
    u16::try_from(number).unwrap_or_default()
}

/// The address behind the row's own gateway.
fn behind(row: &Row) -> IpAddr {
    let number = u32::from(number(row));
    if row.v6 {
        Ipv6Addr::from_bits(BEHIND_V6.to_bits() + u128::from(number)).into()
    } else {
        Ipv4Addr::from_bits(BEHIND_V4.to_bits() + number).into()
    }
}

/// An edge with a listener for each row of that kind. Gateways have one for themselves: where there is any, nothing that is not for
/// the edge passes at once.
pub(super) fn fill(claimed: Claimed) -> Result<Edge> {
    let filled = || ROWS.iter().filter(|row| row.claimed == claimed);
    let rows = u32::try_from(filled().count())?;
    let room = [
        (edge::LISTENERS, 16_384),
        (edge::LISTENER_COUNTERS, 16_384),
        (edge::VIPS, 16_384),
        (edge::GROUPS, rows),
        (edge::SLOTS, rows * RING),
        (edge::TARGETS, rows * MOST_TARGETS + 1),
        (edge::TARGET_COUNTERS, rows * MOST_TARGETS + 1),
        (edge::TARGET_FLOWS, rows * MOST_TARGETS + 1),
        (edge::HALF_OPEN, 16_384),
        (edge::ESTABLISHED, 1 << 23),
        (edge::DATAGRAMS, 5 << 18),
        // Two entries a flow. A million flows are too many for both: they are new again and again.
        (edge::NAT_NEW, 1 << 16),
        (edge::NAT_FLOWS, 1 << 18),
        // A million datagrams of which the first fragment comes, and as many whose others do.
        (edge::FRAGMENTS, 3 << 20),
    ];
    let mut edge = Edge::load_sized(0x5eed, false, &room)?;
    let mut counters = 0..;
    for (number, row) in (0..).zip(filled()) {
        let first_target = 1 + number * MOST_TARGETS;
        for index in 0..row.targets {
            edge.set_target(first_target + index, target(row.way, index))?;
        }
        let first_slot = number * RING;
        for slot in 0..RING {
            let other = |by: u32| first_target + (slot + by) % row.targets;
            edge.set_slot(first_slot + slot, slot_of(row.slots, other(0), other(1)))?;
        }
        let (affinity, tracking) = (row.affinity as u8, row.tracking as u8);
        let group = Group { tag: 1, first_slot, slot_mask: RING - 1, affinity, tracking, ..Group::default() };
        edge.set_group(number, group)?;
        if claimed == Claimed::Gateway {
            let key = ListenerKey::of_network(behind(row).into(), ListenerKey::WHOLE);
            edge.set_listener(key, Listener::new(counters.next().context("endless")?, number, &group))?;
            continue;
        }
        for vip in 0..row.vips {
            let vip: IpAddr = if row.v6 { VIP_V6.into() } else { Ipv4Addr::from_bits(VIP_V4.to_bits() + vip).into() };
            let counters = counters.next().context("endless")?;
            edge.set_vip(vip.into(), Some(Vip::default()))?;
            let key = ListenerKey { more_ports: row.more_ports, ..key(vip, port(row), row.kind.protocol()) };
            let server_id_length = if row.kind == Kind::Quic { u8::try_from(SERVER_ID.len())? } else { 0 };
            edge.set_listener(key, Listener { server_id_length, ..Listener::new(counters, number, &group) })?;
            if row.kind == Kind::Quic {
                let key = ServerKey::new(counters, ServerId::new(0, &SERVER_ID));
                edge.set_quic_server(key, Some(first_target))?;
            }
        }
    }
    if claimed == Claimed::Yes {
        remember_datagrams(&mut edge)?;
    }
    for other in 0..OTHER_LISTENERS {
        let vip = Ipv4Addr::from_bits(VIP_V4.to_bits() + other / 4).into();
        let port = 443 + u16::try_from(other % 4)?;
        let counters = counters.next().context("endless")?;
        edge.set_listener(key(vip, port, 6), Listener { counters, ..Listener::default() })?;
    }
    let ranges = ROWS.iter().filter(|row| row.more_ports > 0).count();
    for number in 0..u16::try_from(MOST - ranges)? {
        let first = 40_000 + number * (FILLING_PORTS + 1);
        let key = ListenerKey { more_ports: FILLING_PORTS, ..key(VIP_V4.into(), first, 6) };
        let counters = counters.next().context("endless")?;
        edge.set_listener(key, Listener { counters, ..Listener::default() })?;
    }
    Ok(edge)
}

/// Remembers a datagram of each flow of the row whose packets are later fragments, for longer than the bench takes.
fn remember_datagrams(edge: &mut Edge) -> Result<()> {
    let later = |(_, row): &(u32, &Row)| row.kind == Kind::LaterFragment;
    let (number, _) =
        (0..).zip(ROWS.iter().filter(|row| row.claimed == Claimed::Yes)).find(later).context("no such row")?;
    let index = 1 + number * MOST_TARGETS;
    // To the packet path, a time to come is no great age.
    let seen = u32::try_from(clock_gettime(ClockId::CLOCK_MONOTONIC)?.tv_sec())? + 86_400;
    let (claim, target) = (Claim::of(&Listener::default()), target(IPIP, 0));
    let datagram = Datagram::sent(claim, 0, index, &target, seen);
    for flow in 0..MOST_FLOWS {
        let key = DatagramKey {
            source: IpAddr::from(Ipv4Addr::from_bits(FIRST_CLIENT.to_bits() | flow)).into(),
            destination: IpAddr::from(VIP_V4).into(),
            identification: LATER_DATAGRAM.to_be().into(),
            protocol: 17,
        };
        edge.set_datagram(key, datagram)?;
    }
    Ok(())
}

fn key(vip: IpAddr, port: u16, protocol: u8) -> ListenerKey {
    ListenerKey::new(vip.into(), protocol, port)
}

fn slot_of(slots: Slots, target: u32, other: u32) -> Slot {
    match slots {
        Slots::Steady => Slot::closed(target, 0),
        Slots::Hinted => Slot::closed(target, other),
        Slots::Open => Slot::open(other, target, Tick::at(0)),
        Slots::Pinned => Slot::closed(target, 0).with_pins(true),
    }
}

fn target(way: Way, index: u32) -> Target {
    let address = |text: &str| text.parse::<IpAddr>().map(Address::from).unwrap_or_default();
    let (mut destination, source) = if way.v6 {
        (address("fd00::77:0"), address("fd00::edce:1"))
    } else {
        (address("10.1.0.0"), address("10.0.0.1"))
    };
    destination.0[3] = (u32::from_be(destination.0[3]) + index).to_be();
    Target {
        tag: 0x7a67 + u64::from(index),
        destination,
        source,
        interface: if way.redirect { ELSEWHERE } else { INGRESS },
        next_hop_mac: [2, 0xaa, 0, 0, 0, 0x11],
        source_mac: [2, 0xbb, 0, 0, 0, 0x22],
        mtu: way.mtu,
        flags: Target::READY | way.by,
        source_bits: way.source_bits,
        port: 8_080_u16.to_be(),
        padding: 0,
    }
}
