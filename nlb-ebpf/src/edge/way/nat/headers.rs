//! A translated packet's headers.
//!
//! ```text
//! way there: [client's router → edge][tags][client → VIP ][…]   becomes  [edge → target or router]([tags])[client → target][…]
//! way back:  [target's router → edge][tags][target → client][…] becomes  [edge → client's router][client's tags][VIP → client][…]
//! ```

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::answer::Answering;
use nlb_common::nat::Session;
use nlb_common::nat::rewrite::{Translated, checksum, difference};
use nlb_common::packet::Door as _;
use nlb_common::packet::link::Link;
use nlb_common::wire::{EtherType, Ethernet, Framed, Macs, Ports, TagBytes, VlanTag, protocol};
use nlb_ebpf::door::PacketDoor;

use super::super::super::addressed::Offsets;
use super::sessions;

/// Where a TCP header has its checksum.
const TCP_CHECKSUM: usize = 16;
/// Where a UDP header has it.
const UDP_CHECKSUM: usize = 6;

/// Where the header of a protocol, TCP or UDP, has its checksum.
#[inline(always)]
pub(super) const fn checksum_field(protocol: u8) -> usize {
    if protocol == protocol::TCP { TCP_CHECKSUM } else { UDP_CHECKSUM }
}

/// Whether the packet has a hop left.
#[inline(always)]
pub(super) fn has_hops<F: Answering<Ip: Translated>>(door: &PacketDoor<'_>, link: &Link) -> bool {
    door.header::<F::Ip>(link.length).is_some_and(Translated::has_hops)
}

/// Turns the packet of the flow in the working memory into what its session says, up to its link header.
#[inline(always)]
pub(super) fn translate<F: Answering<Ip: Translated>>(mut door: PacketDoor<'_>, at: Offsets) -> Option<()> {
    let work = sessions::work()?;
    let Offsets { link, payload: at } = at.bounded();
    let (from, to) = (&work.flow, &work.session.outcome());
    if work.piece.has_ports() {
        let field = at + checksum_field(from.protocol);
        let before = u16::from_ne_bytes(*door.header(field)?);
        door.write(field, checksum(before, from.protocol, difference(from, to)).to_ne_bytes())?;
        door.write(at, Ports { source: to.source_port, destination: to.destination_port })?;
    }
    let header = *door.header::<F::Ip>(link)?;
    let header = header.translated(to.source, to.destination);
    door.write(link, if work.piece.is_cut() { header.identified(&work.piece) } else { header })
}

/// Puts what is to be remembered of the link that a client's packet came in by into the working memory. `tags`: how many there
/// are.
#[inline(always)]
pub(super) fn learn_link(ctx: &XdpContext, tags: usize) -> Option<()> {
    (nlb_nat_learn_link(ctx.ctx, tags) != 0).then_some(())
}

/// A global function, as those of [`functions`](super::super::super::functions); so is the next one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nlb_nat_learn_link(ctx: *mut xdp_md, tags: usize) -> u32 {
    let ctx = XdpContext::new(ctx);
    let learnt = sessions::work().and_then(|work| link_of(&ctx, tags, &mut work.link));
    u32::from(learnt.is_some())
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an interface's index")]
fn link_of(ctx: &XdpContext, tags: usize, into: &mut Session) -> Option<()> {
    let door = PacketDoor::new(ctx);
    let ethernet = door.header::<Ethernet>(0)?;
    into.client_mac = ethernet.source;
    into.edge_mac = ethernet.destination;
    into.interface = ctx.ingress_ifindex() as u32;
    into.pin.flags = Session::tag_flags(tags);
    into.tags = match tags {
        0 => Default::default(),
        1 => [*door.header::<TagBytes>(Framed::<EtherType, 0>::TAGS_AT)?, TagBytes::default()],
        _ => *door.header::<[TagBytes; 2]>(Framed::<EtherType, 0>::TAGS_AT)?,
    };
    Some(())
}

/// Puts the packet into a frame to the client of the flow in the working memory: with the tags that the client's had, whatever
/// those are that it has.
#[inline(always)]
pub(super) fn frame_to_client(ctx: &XdpContext, link: &Link) -> Option<()> {
    (nlb_nat_frame(ctx.ctx, link.tags(), link.ether_type.number().into()) != 0).then_some(())
}

#[unsafe(no_mangle)]
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "it was widened to fill its register")]
extern "C" fn nlb_nat_frame(ctx: *mut xdp_md, tags: usize, ether_type: u64) -> u32 {
    let ctx = XdpContext::new(ctx);
    // Two bits: no packet has three tags, but the verifier wants a bound.
    let link = Link {
        length: Link::UNTAGGED + (tags & 3) * size_of::<VlanTag>(),
        ether_type: EtherType::new(ether_type as u16),
    };
    let framed = sessions::work().and_then(|work| frame(PacketDoor::new(&ctx), &link, &work.session));
    u32::from(framed.is_some())
}

#[inline(always)]
fn frame(door: PacketDoor<'_>, link: &Link, session: &Session) -> Option<()> {
    let (has, wants) = (link.tags() * size_of::<VlanTag>(), session.tag_count() * size_of::<VlanTag>());
    let door = if wants > has {
        door.grow(wants - has).ok()?
    } else if wants < has {
        door.shrink(has - wants).ok()?
    } else {
        door
    };
    let [first, second] = session.tags;
    match session.tag_count() {
        0 => write(door, link.ether_type, session, []),
        1 => write(door, link.ether_type, session, [first]),
        _ => write(door, link.ether_type, session, [first, second]),
    }
}

#[inline(always)]
fn write<const TAGS: usize>(
    mut door: PacketDoor<'_>,
    ether_type: EtherType,
    session: &Session,
    tags: [TagBytes; TAGS],
) -> Option<()> {
    let macs = Macs::new(session.client_mac, session.edge_mac);
    door.write(0, Framed { macs, tags, ether_type, header: [0_u8; 0] })
}
