//! Who accepts this flow?

use nlb_common::hash::Flow;
use nlb_common::listener::{Claim, Entry, Key};
use nlb_common::packet::{NotOurs, Stop};

use super::constants::listener_shift;
use super::maps::LISTENERS;

/// The listener that takes a flow.
#[derive(Clone, Copy)]
pub(super) struct Claimed {
    /// What becomes of the packet.
    pub(super) claim: Claim,
    /// All that is known of the listener.
    pub(super) entry: &'static Entry,
}

impl Claimed {
    /// The words of what guards it.
    #[inline(always)]
    pub(super) fn guard(&self) -> [u64; 2] {
        // SAFETY: the entry stays mapped. The agent stores each word whole, and each says one thing: an access list, or a limit.
        unsafe { (&raw const self.entry.guard).read_volatile() }
    }
}

/// The listener that takes `flow`.
#[inline(always)]
pub(super) fn find(flow: &Flow) -> Result<Claimed, Stop> {
    let key = Key::of(flow);
    let places = key.places(listener_shift());
    match at(places.first(), &key) {
        Some(claimed) => Ok(claimed),
        None => at(places.second(), &key).ok_or(Stop::Pass(NotOurs::NoListener)),
    }
}

/// The listener of that key, if it stands at `place`.
#[inline(always)]
fn at(place: u32, key: &Key) -> Option<Claimed> {
    let entry = LISTENERS.get_ptr(place)?;
    // SAFETY: an array's entry stays mapped. The agent stores its words one by one, aligned and whole, in an order in which
    // an entry with this head is this listener's; the claim is read once.
    let (entry, claim) = unsafe { (&*entry, (&raw const (*entry).claim).read_volatile()) };
    (entry.is_of(key) && claim.is_valid()).then_some(Claimed { claim, entry })
}
