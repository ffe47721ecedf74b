//! The packet back to its sender, within an error message about it.
//!
//! How often one source is answered is limited: an error message costs more than the packet, and who is told once knows. A /64
//! of IPv6 is one source (RFC 6177: no site has less). The answer is never longer than the packet and two headers, so nobody
//! gains by sending under another's name.

use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::programs::XdpContext;
use nlb_common::address::Address;
use nlb_common::answer::is_answerable;
use nlb_common::bucket::{Bucket, Limit};
use nlb_common::icmp::Control;
use nlb_common::icmp::error::{self, Refusal};
use nlb_common::packet::Door as _;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::Network;
use nlb_common::tunnel::Outer;
use nlb_common::wire::{Ethernet, Icmp, Macs};
use nlb_ebpf::door::PacketDoor;

use super::super::encapsulation::{self, Between};
use super::super::maps::ANSWERED;
use super::super::transmit::WayOut;
use super::sum;

/// Ten messages a second to one source, fifty at once: enough for the connections of a page to learn an MTU.
const LIMIT: Limit = Limit { interval: 100_000_000, burst: 50 };

/// Turns the packet into an error message to its sender; `None` if that can't be, or was told enough.
#[inline(always)]
pub(super) fn answer<F: Control>(ctx: &XdpContext, link: &Link, network: &Network, refusal: Refusal) -> Option<()> {
    if !is_answerable(&network.source) || !may_be_told(&network.source) {
        return None;
    }
    let quoted = network.length.min(F::QUOTE);
    let sum = sum::of(ctx, link.length, quoted);
    let door = PacketDoor::new(ctx);
    let (header, message) = error::answer::<F>(door.header(link.length)?, refusal, quoted, sum);
    let &Ethernet { source, destination, .. } = door.header(0)?;
    let macs = Macs::new(source, destination);
    encapsulation::put_before(door, link, || macs, header, WayOut::Same, Message(message)).ok()?;
    let door = PacketDoor::new(ctx);
    let surplus = door.length().checked_sub(link.length + size_of::<F::Ip>() + Icmp::LENGTH + quoted)?;
    door.trim(surplus).ok().map(drop)
}

/// Takes a token of the source's bucket, if there is one.
#[inline(always)]
fn may_be_told(source: &Address) -> bool {
    let [first, second, third, fourth] = source.0;
    // Masked: two zeros would be stored as one word, across the words of a stack that knows none of 64 bits here.
    let rest = if source.is_v4() { u32::MAX } else { 0 };
    let source = Address([first, second, third & rest, fourth & rest]);
    // SAFETY: the helper has no arguments and only reads a clock.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    match ANSWERED.get_ptr_mut(&source) {
        // SAFETY: an entry stays mapped while the program runs, as an aligned word that is read and stored whole. Another
        // source's may have taken its place by then, which then has a token less.
        Some(held) => unsafe {
            held.read_volatile().take(now, LIMIT).map(|bucket| held.write_volatile(bucket)).is_some()
        },
        // A table without room for it says that there is a flood: nobody new is told.
        None => Bucket::default().take(now, LIMIT).is_some_and(|bucket| ANSWERED.insert(&source, &bucket, 0).is_ok()),
    }
}

/// What stands between the answer's IP header and what it quotes.
struct Message(Icmp);

impl<O: Outer> Between<O> for Message {
    #[inline(always)]
    fn length(&self) -> usize {
        Icmp::LENGTH
    }

    #[inline(always)]
    fn write(self, mut door: PacketDoor<'_>, at: usize) -> Option<()> {
        door.write(at, self.0)
    }
}
