//! May this source reach the listener, and begin a flow there?
//!
//! Most listeners are guarded by nothing, and their packets pay for one bit of a word that is at hand. For others the answer is in a
//! function of its own.
//!
//! A bucket is loaded and stored without atomic operations: when packets of one source come by several CPUs at once, each may begin
//! one flow more than there are tokens. Sources whose bucket was pushed out of the table begin with a full one.

use core::hint::cold_path;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::programs::XdpContext;
use nlb_common::address::Address;
use nlb_common::bucket::Bucket;
use nlb_common::drop_reason::DropReason;
use nlb_common::guard::{Guard, Member, Refused, Source};
use nlb_common::packet::Stop;
use nlb_common::packet::link::Link;
use nlb_ebpf::door::PacketDoor;

use super::addressed::{Addressed, Offsets};
use super::functions::Functions;
use super::listener::Claimed;
use super::maps::{ACCESS, GUARDS, LISTENER_REFUSED, SOURCES};

const ADMITTED: u32 = 0;
const DENIED: u32 = 1;
const LIMITED: u32 = 2;

/// Lets a packet with that link header through that the listener's guard has nothing against. `opens`: it is a SYN without ACK.
#[inline(always)]
pub(super) fn admit<F: Functions>(ctx: &XdpContext, link: &Link, listener: Claimed, opens: bool) -> Result<(), Stop> {
    if !listener.claim.is_guarded() {
        return Ok(());
    }
    cold_path();
    let begins = u64::from(opens) << Asked::OPENS;
    let asked = link.length as u64 | begins | u64::from(listener.claim.counters()) << Asked::LISTENER;
    match F::guard(ctx.ctx, asked) {
        ADMITTED => Ok(()),
        DENIED => Err(Stop::Drop(DropReason::SourceDenied)),
        _ => Err(Stop::Drop(DropReason::NewFlowLimit)),
    }
}

/// What is asked about a packet, in one register.
struct Asked {
    link: usize,
    opens: bool,
    listener: u32,
}

impl Asked {
    const OPENS: u32 = 31;
    const LISTENER: u32 = 32;

    #[inline(always)]
    fn unpacked(word: u64) -> Self {
        Self {
            link: (word & 0xffff) as usize,
            opens: word >> Self::OPENS & 1 != 0,
            listener: (word >> Self::LISTENER) as u32,
        }
    }
}

/// Whether the packet is admitted, and why not. `asked` is an [`Asked`].
#[inline(always)]
pub(super) fn answer<F: Addressed>(ctx: *mut xdp_md, asked: u64) -> u32 {
    let ctx = XdpContext::new(ctx);
    let Asked { link, opens, listener } = Asked::unpacked(asked);
    // The claim says that there is one.
    let Some(guard) = GUARDS.get_ptr(listener) else { return DENIED };
    // SAFETY: an array's entry stays mapped. The agent stores each of both words whole, and each says one thing: an access list, or a
    // limit.
    let guard = Guard::from_words(unsafe { guard.cast::<[u64; 2]>().read_volatile() });
    let link = Offsets { link, payload: 0 }.bounded().link;
    let (mut source, mut destination) = (Address::default(), Address::default());
    // It can't fail: all of it was read before.
    if F::read_addresses(&PacketDoor::new(&ctx), link, &mut source, &mut destination).is_none() {
        return DENIED;
    }
    if guard.access != 0 && !is_allowed(guard.access, source) {
        refuse(listener, |refused| refused.denied += 1);
        return DENIED;
    }
    if opens && guard.has_limit() && !may_begin(&guard, &source, listener) {
        refuse(listener, |refused| refused.limited += 1);
        return LIMITED;
    }
    ADMITTED
}

/// What the longest prefix of the list says that covers the source. There always is one: each list has one that covers all.
#[inline(always)]
fn is_allowed(list: u32, source: Address) -> bool {
    let key = Key::new(Member::WHOLE, Member { list, address: source });
    ACCESS.get(&key).is_some_and(|verdict| *verdict == Member::ALLOWED)
}

/// Takes a token from the source's bucket, if there is one.
#[inline(always)]
fn may_begin(guard: &Guard, source: &Address, listener: u32) -> bool {
    let key = Source { address: guard.bucket_of(source), listener };
    // SAFETY: the helper has no arguments and only reads a clock.
    let now = unsafe { bpf_ktime_get_ns() };
    let limit = guard.rate.limit();
    let Some(bucket) = SOURCES.get_ptr_mut(&key) else {
        let Some(bucket) = Bucket::default().take(now, limit) else { return false };
        // Another CPU may be faster, and the kernel may have no room: then this flow is one that nobody counted.
        SOURCES.insert(&key, &bucket, 0).ok();
        return true;
    };
    // SAFETY: a value of the table stays mapped while the program runs; it is one aligned word, read and stored whole.
    unsafe {
        match bucket.read_volatile().take(now, limit) {
            Some(after) => {
                bucket.write_volatile(after);
                true
            }
            None => false,
        }
    }
}

#[inline(always)]
fn refuse(listener: u32, count: impl FnOnce(&mut Refused)) {
    if let Some(refused) = LISTENER_REFUSED.get_ptr_mut(listener) {
        // SAFETY: as in `count::add`: this CPU's own entry.
        count(unsafe { &mut *refused });
    }
}
