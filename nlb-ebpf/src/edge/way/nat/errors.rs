//! Error messages about translated flows, to whoever sent the packet that they quote (RFC 5508, section 4).
//!
//! ```text
//! about an answer:  [router → VIP   [VIP → client     ]]  becomes  [router → target [target → client, or edge]]
//! about a client's: [router → client, or edge [client, or edge → target]]  becomes  [router → client [client → VIP]]
//! ```
//!
//! The quoted packet, the other way round, is of a flow that is remembered; it becomes what the other way's key says. A message
//! from the flow's other end itself comes from what that end is known as. Between the families [`cross::message`] translates.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_common::icmp::quote;
use nlb_common::nat::rewrite::{Translated, checksum, difference};
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Door as _, NotOurs, Stop};
use nlb_common::way::WayOutcome;
use nlb_common::wire::{Icmp, Ports};
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

use super::super::super::{l2, target, transmit};
use super::cross::{self, Crosses};
use super::{TRUNCATED, Work, headers, sessions, to_client};

const OTHER: Stop = Stop::Pass(NotOurs::Protocol);

/// Where the checksum stands in a message.
pub(super) const CHECKSUM: usize = 2;

/// Translates the packet if it is an error message about a translated flow.
#[inline(always)]
pub(super) fn translate<F: Crosses>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
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
    let to = if is_answers { None } else { Some(target::find(work.session.pin.target)?) };
    let link = if work.session.crosses(&work.flow) {
        &cross::message::translate::<F>(ctx, link, network, ports, work)?
    } else {
        write::<F>(ctx, link, network, ports, work).ok_or(TRUNCATED)?;
        link
    };
    super::super::outcome(WayOutcome::Error);
    let Some(target) = to else { return to_client(ctx, link, work.session.interface) };
    l2::readdress(ctx, link, work.session.pin.target)?;
    Ok(transmit::send(transmit::way_out(ctx, target)))
}

/// Writes the message about a packet that answers to the flow in the working memory into one about a packet of what that becomes.
#[inline(always)]
fn write<F: Crosses>(ctx: &XdpContext, link: &Link, network: &Network, ports: usize, work: &Work) -> Option<()> {
    let quoted = &work.session.peer;
    let change = requote_transport(ctx, ports, network.payload + network.payload_length)?;
    let mut door = PacketDoor::new(ctx);
    let at = network.payload + Icmp::LENGTH;
    let header = *door.header::<F::Ip>(at)?;
    let (header, change_of_header) = header.requoted(quoted.source, quoted.destination);
    door.write(at, header)?;
    let outer = *door.header::<F::Ip>(link.length)?;
    let source = if network.source == work.flow.source { quoted.destination } else { network.source };
    let sum = u16::from_ne_bytes(*door.header(network.payload + CHECKSUM)?);
    let sum = Checksum::from_header(sum).add(change).add(change_of_header);
    let sum = sum.add(outer.message_change(source, quoted.source));
    door.write(network.payload + CHECKSUM, sum.finish().to_ne_bytes())?;
    door.write(link.length, outer.translated(source, quoted.source))
}

/// Turns the segment or datagram that is quoted, from `ports` up to `end`, into one of the flow that the one in the working memory
/// becomes. What the checksum of the message changes by.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a sum is 32 bits, what says that it is broken is more")]
pub(super) fn requote_transport(ctx: &XdpContext, ports: usize, end: usize) -> Option<Checksum> {
    match nlb_nat_requote(ctx.ctx, ports, end) {
        BROKEN => None,
        change => Some(Checksum::from_folded(change as u32)),
    }
}

/// More than any sum in 32 bits.
const BROKEN: u64 = u64::MAX;

/// A global function, as those of [`functions`](super::super::super::functions): of either family.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_nat_requote(ctx: *mut xdp_md, ports: usize, end: usize) -> u64 {
    let ctx = XdpContext::new(ctx);
    let ports = opaque(ports) & 0x7fff;
    let change = sessions::work().and_then(|work| requote(PacketDoor::new(&ctx), ports, end, work));
    change.map_or(BROKEN, |change| change.folded().into())
}

/// A sum is the same of a flow and of its reverse: it doesn't matter that the quoted packet answers to the flow.
#[inline(always)]
fn requote(mut door: PacketDoor<'_>, ports: usize, end: usize, work: &Work) -> Option<Checksum> {
    let (from, to) = (&work.flow, &work.session.peer);
    let change = Checksum::new().remove_u16(from.source_port).remove_u16(from.destination_port);
    let change = change.add_u16(to.source_port).add_u16(to.destination_port);
    door.write(ports, Ports { source: to.source_port, destination: to.destination_port })?;
    let field = ports + headers::checksum_field(from.protocol);
    if field + size_of::<u16>() > end {
        // A router need not quote as much.
        return Some(change);
    }
    let before = u16::from_ne_bytes(*door.header(field)?);
    let after = checksum(before, from.protocol, difference(from, to));
    door.write(field, after.to_ne_bytes())?;
    Some(change.remove_u16(before).add_u16(after))
}
