//! QUIC: a connection goes where its id says, whatever address its client has.
//!
//! A packet that names a server which serves has that target for a slot: a steady one, whose packets ask no flow table. Any other
//! is one of its flow, like all packets of UDP.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use nlb_common::quic::{self, Named, QuicRule, ServerKey};
use nlb_common::slot::TargetIndex;
use nlb_common::tables::Target;
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;
use nlb_ebpf::opaque::opaque;

use super::addressed::Offsets;
use super::flows;
use super::maps::{QUIC_RULES, QUIC_SERVERS};

/// Nobody is named.
pub(super) const NOBODY: TargetIndex = 0;

/// The target that the packet's connection id names, [`NOBODY`] if that is none which serves. Its UDP header is at `payload`, and
/// ids of the listener's servers are `length` bytes long.
#[inline(always)]
pub(super) fn named(ctx: *mut xdp_md, payload: usize, length: u8, listener: u32) -> TargetIndex {
    let ctx = XdpContext::new(ctx);
    let payload = Offsets { link: 0, payload }.bounded().payload;
    let (target, rule) = match quic::named(&PacketDoor::new(&ctx), payload, length) {
        Err(rule) => (NOBODY, rule),
        Ok(Named { server, otherwise }) => match serving(ServerKey::new(listener, server)) {
            Some(target) => (target, QuicRule::ServerId),
            None => (NOBODY, otherwise),
        },
    };
    count::one(&QUIC_RULES, rule as u32);
    target
}

/// The target of that name, if flows of it are served. One that drains serves its connections like any other.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "words are as long as registers here")]
fn serving(ServerKey(words): ServerKey) -> Option<TargetIndex> {
    // The kernel wants every store to the stack aligned; the compiler would leave out what it knows to be zero, and store the rest in
    // pieces.
    let key = &ServerKey(words.map(|word| opaque(word as usize) as u64));
    let place = QUIC_SERVERS.get_ptr(key)?;
    // SAFETY: the value is one aligned word that is never written in place: the agent's writes put another entry there. It stays
    // mapped while the program runs.
    let index = unsafe { place.read_volatile() };
    flows::serving(index).filter(|target| target.flags & Target::RESET == 0).map(|_| index)
}
