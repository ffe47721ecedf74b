//! Error messages about translated flows, to whoever sent the packet that they quote (RFC 5508, section 4).
//!
//! ```text
//! about an answer:  [router → VIP   [VIP → client     ]]  becomes  [router → target [target → client, or edge]]
//! about a client's: [router → client, or edge [client, or edge → target]]  becomes  [router → client [client → VIP]]
//! ```
//!
//! The quoted packet, the other way round, is of a flow that is remembered; it becomes what the other way's key says. A message
//! from the flow's other end itself comes from what that end is known as.

use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_common::hash::Flow;
use nlb_common::icmp::{Control, quote};
use nlb_common::nat::rewrite::{Translated, checksum, difference};
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Door as _, NotOurs, Stop};
use nlb_common::way::WayOutcome;
use nlb_common::wire::{Icmp, Ports};
use nlb_ebpf::door::PacketDoor;

use super::super::super::{l2, target, transmit};
use super::{TRUNCATED, headers, sessions, to_client};

const OTHER: Stop = Stop::Pass(NotOurs::Protocol);

/// Where the checksum stands in a message.
const CHECKSUM: usize = 2;

/// Translates the packet if it is an error message about a translated flow.
#[inline(always)]
pub(super) fn translate<F: Control<Ip: Translated>>(
    ctx: &XdpContext,
    mut door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
) -> Result<u32, Stop> {
    if network.payload_length < Icmp::LENGTH {
        return Err(OTHER);
    }
    let work = sessions::work().ok_or(OTHER)?;
    let (flow, ports) = quote::find::<F, _>(&door, network).ok_or(OTHER)?;
    work.flow = flow;
    let is_answers = sessions::find().ok_or(OTHER)?;
    if !headers::has_hops::<F>(&door, link) {
        return Err(OTHER);
    }
    write::<F>(&mut door, link, network, ports, &work.flow, &work.session.peer).ok_or(TRUNCATED)?;
    super::super::outcome(WayOutcome::Error);
    if is_answers {
        return to_client(ctx, link, work.session.interface);
    }
    let index = work.session.pin.target;
    let target = target::find(index)?;
    l2::readdress(ctx, link, index)?;
    Ok(transmit::send(transmit::way_out(ctx, target)))
}

/// Writes the message about a packet that answers to `flow` into one about a packet of `quoted`.
#[inline(always)]
fn write<F: Control<Ip: Translated>>(
    door: &mut PacketDoor<'_>,
    link: &Link,
    network: &Network,
    ports: usize,
    flow: &Flow,
    quoted: &Flow,
) -> Option<()> {
    let at = network.payload + Icmp::LENGTH;
    let header = *door.header::<F::Ip>(at)?;
    let (header, change) = header.requoted(quoted.source, quoted.destination);
    door.write(at, header)?;
    let before = flow.reversed();
    let change = change
        .remove_u16(before.source_port)
        .add_u16(quoted.source_port)
        .remove_u16(before.destination_port)
        .add_u16(quoted.destination_port);
    door.write(ports, Ports { source: quoted.source_port, destination: quoted.destination_port })?;
    let field = ports + headers::checksum_field(flow.protocol);
    let end = network.payload + network.payload_length;
    let change = if field + size_of::<u16>() <= end {
        requote_checksum(door, field, flow.protocol, difference(&before, quoted), change)?
    } else {
        // A router need not quote as much.
        change
    };
    let outer = *door.header::<F::Ip>(link.length)?;
    let source = if network.source == flow.source { quoted.destination } else { network.source };
    let sum = u16::from_ne_bytes(*door.header(network.payload + CHECKSUM)?);
    let sum = Checksum::from_header(sum).add(change).add(outer.message_change(source, quoted.source));
    door.write(network.payload + CHECKSUM, sum.finish().to_ne_bytes())?;
    door.write(link.length, outer.translated(source, quoted.source))
}

/// Writes the checksum of the quoted segment or datagram; adds what that changes in the message's to `change`.
#[inline(always)]
fn requote_checksum(
    door: &mut PacketDoor<'_>,
    at: usize,
    protocol: u8,
    difference: Checksum,
    change: Checksum,
) -> Option<Checksum> {
    let before = u16::from_ne_bytes(*door.header(at)?);
    let after = checksum(before, protocol, difference);
    door.write(at, after.to_ne_bytes())?;
    Some(change.remove_u16(before).add_u16(after))
}
