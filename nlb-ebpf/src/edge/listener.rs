//! Who accepts this flow?

use core::hint::cold_path;

use nlb_common::hash::Flow;
use nlb_common::listener::{Claim, Key};
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::ranges::RangesKey;

use super::constants::listener_shift;
use super::maps::{LISTENERS, RANGES};
use super::{functions, known};

/// The listener that takes a flow.
#[derive(Clone, Copy)]
pub(super) struct Claimed {
    /// What becomes of the packet.
    pub(super) claim: Claim,
    /// Index of the sketch of its flows, if it has one.
    pub(super) sketch: u32,
}

/// The listener that takes `flow`: the one of its port, or else the narrowest range that holds the port.
#[inline(always)]
pub(super) fn find(flow: &Flow) -> Result<Claimed, Stop> {
    let key = Key::of(flow);
    let places = key.places(listener_shift());
    if let Some(claimed) = at(places.first(), &key).or_else(|| at(places.second(), &key)) {
        return Ok(claimed);
    }
    cold_path();
    if !known::concerns(flow) {
        return Err(Stop::Pass(NotOurs::Elsewhere));
    }
    let claim = functions::claim_of_ranges(flow);
    if claim.is_valid() {
        Ok(Claimed { claim, sketch: claim.counters() })
    } else {
        Err(Stop::Pass(NotOurs::NoListener))
    }
}

/// The listener of that key, if it stands at `place`.
#[inline(always)]
fn at(place: u32, key: &Key) -> Option<Claimed> {
    let entry = LISTENERS.get_ptr(place)?;
    // SAFETY: an array's entry stays mapped. The agent stores its words one by one, aligned and whole, in an order in which
    // an entry with this head is this listener's; the claim is read once.
    let (entry, claim) = unsafe { (&*entry, (&raw const (*entry).claim).read_volatile()) };
    (entry.is_of(key) && claim.is_valid()).then_some(Claimed { claim, sketch: entry.sketch })
}

/// What the narrowest range of those that holds `port`, host byte order, claims.
#[inline(always)]
pub(super) fn in_ranges(key: &RangesKey, port: u16) -> Claim {
    // SAFETY: the value stays as it is for as long as this program runs: the agent waits before it writes another.
    RANGES.get_ptr(key).map_or(Claim::default(), |ranges| unsafe { &*ranges }.claim_of(port))
}
