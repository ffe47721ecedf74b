//! An error message about a translated flow that changes its IP family, and the packet that it quotes with it.
//!
//! ```text
//! before: [Ethernet][tags][IP header …][ICMP][quoted IP header …][ports …]
//! after:   [Ethernet][tags][other's IP][other's ICMP][other's IP][ports …]
//! ```
//!
//! It comes from what the flow's other end is known as, whoever sent it: a router on the way has no address of the other family.
//!
//! The checksum is that of before, less what stood before the ports, with what stands there now: what comes behind is not looked
//! at, and an error in it is still found.

use aya_ebpf::programs::XdpContext;
use nlb_common::checksum::Checksum;
use nlb_common::drop_reason::DropReason;
use nlb_common::icmp::Control as _;
use nlb_common::nat::cross::{Crossed, Crossing, pseudo_header};
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::packet::{Door as _, Stop};
use nlb_common::wire::{Icmp, Ipv4};
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

use super::super::super::super::addressed::Offsets;
use super::super::super::sum;
use super::super::{TRUNCATED, Work, errors, sessions};
use super::{Crosses, DONE, NO_HEADROOM, OtherIp, identification, make_room, outcome};

/// The longest payload that the length fields of both families can say.
const LONGEST: usize = 0xffff - Ipv4::LENGTH;

/// Turns the message, which quotes a packet of the flow in the working memory whose ports stand at `ports`, into one of the other
/// family. Its link header afterwards.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a sum is 32 bits, what says that there is none is more")]
pub(in super::super) fn translate<F: Crosses>(
    ctx: &XdpContext,
    link: &Link,
    network: &Network,
    ports: usize,
    work: &mut Work,
) -> Result<Link, Stop> {
    let (at, length) = (Offsets { link: link.length, payload: network.payload }, network.payload_length);
    let gone = match F::sum_of_message(ctx.ctx, at, length, ports) {
        NO_SUM => return Err(Stop::Drop(DropReason::OtherFamily)),
        sum => sum as u32,
    };
    let change = errors::requote_transport(ctx, ports, network.payload + length).ok_or(TRUNCATED)?;
    work.sum = Checksum::new().remove_u32(gone).add(change).folded();
    outcome::<F>(F::cross_message(ctx.ctx, at, length, ports), link)
}

/// The answer "no message of the other family says that": more than any sum in 32 bits.
pub(super) const NO_SUM: u64 = u64::MAX;

/// The sum of what stands before the ports of the quoted packet, and of the pseudo-header if there is one; `None` if no message of
/// the other family says the same, or this one has addresses of a source route left to visit. `length`: what stands behind the message's own IP header.
#[inline(always)]
pub(super) fn sum<F: Crossing>(ctx: &XdpContext, at: Offsets, length: usize, ports: usize) -> Option<u64> {
    let Offsets { link, payload } = at.bounded();
    let door = PacketDoor::new(ctx);
    if F::is_underway(&door, link) {
        return None;
    }
    let quote = payload + Icmp::LENGTH;
    let quoted = F::essence(door.header(quote)?);
    F::message(door.header(payload)?, quoted)?;
    // The second can't be, but for IPv4 it is what the length is asked for: what nobody reads need not be a number, and the
    // verifier would say so.
    if quoted.length.saturating_sub(ports - quote) > LONGEST || ports > payload + length {
        return None;
    }
    let pseudo = if F::PSEUDO_HEADER {
        let addresses = F::sum(door.header(link)?);
        addresses.add_u16(u16::try_from(length).ok()?.to_be()).add_u16(u16::from(F::CONTROL).to_be())
    } else {
        Checksum::new()
    };
    Some(sum::of(ctx, payload, ports - payload).add(pseudo).folded().into())
}

/// Makes the headers anew that stand before the ports.
#[inline(always)]
pub(super) fn cross<F: Crossing>(ctx: &XdpContext, at: Offsets, length: usize, ports: usize) -> Option<u32> {
    let work = sessions::work()?;
    let Offsets { link, payload } = at.bounded();
    // As far as the verifier can see, they could be anything.
    let (ports, length) = (opaque(ports) & 0x7fff, opaque(length) & 0xffff);
    let quote = payload + Icmp::LENGTH;
    let door = PacketDoor::new(ctx);
    let quoted = F::essence(door.header(quote)?);
    let message = F::message(door.header(payload)?, quoted)?;
    let outer = F::essence(door.header(link)?).after_a_hop();
    let head = Icmp::LENGTH + size_of::<OtherIp<F>>();
    let Some(mut door) = make_room::<F>(door, link, ports, size_of::<OtherIp<F>>() + head)? else {
        return Some(NO_HEADROOM);
    };

    let (source, destination) = (&work.session.peer.source, &work.session.peer.destination);
    let said = quoted.length.saturating_sub(ports - quote);
    let crossed =
        Crossed { source, destination, protocol: work.flow.protocol, length: said, identification: 0, piece: None };
    let behind = (payload + length).checked_sub(ports)?;
    let payload = link + size_of::<OtherIp<F>>();
    door.write(payload + Icmp::LENGTH, F::Other::header(quoted, crossed)?)?;
    door.write(payload, message)?;

    let (source, destination) = (destination, source);
    let (protocol, length) = (F::Other::CONTROL, head + behind);
    let crossed = Crossed { source, destination, protocol, length, identification: identification(), piece: None };
    door.write(link, F::Other::header(outer, crossed)?)?;
    let sum = Checksum::from_folded(work.sum).add(sum::of(ctx, payload, head));
    let sum = if F::Other::PSEUDO_HEADER {
        sum.add(pseudo_header(source, destination, protocol, u16::try_from(length).ok()?))
    } else {
        sum
    };
    PacketDoor::new(ctx).write(payload + errors::CHECKSUM, sum.finish().to_ne_bytes())?;
    Some(DONE)
}
