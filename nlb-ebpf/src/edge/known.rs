//! Is any of this the edge's business?

use nlb_common::address::Address;
use nlb_common::hash::Flow;
use nlb_common::known::Place;

use super::functions;
use super::maps::KNOWN;

/// Whether one of the flow's addresses may be a listener's, or whoever it comes from a target that it is translated for.
#[inline(always)]
pub(super) fn concerns(flow: &Flow) -> bool {
    functions::is_known(&flow.destination) || functions::is_known(&flow.source)
}

/// Whether the address has its bit.
#[inline(always)]
pub(super) fn has_bit(address: &Address) -> bool {
    let place = Place::of(address);
    // SAFETY: an array's entry stays mapped; the agent stores whole words, and a volatile read takes one once and whole.
    KNOWN.get_ptr(place.word).is_some_and(|word| unsafe { word.read_volatile() } & place.bit != 0)
}
