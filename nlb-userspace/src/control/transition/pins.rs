//! Whether a pinned flow is remembered any longer.

use nlb_common::flow::{Pin, Tracking};
use nlb_common::slot::Slot;

/// Seconds that a flow without packets is remembered after its client's FIN.
const AFTER_FIN: u32 = 60;

/// What is known of a pin's place.
#[derive(Clone, Copy, Debug)]
pub(in crate::control) struct Place {
    /// Its slot as the packet path has it.
    pub(in crate::control) slot: Slot,
    /// Which flows of its group are remembered.
    pub(in crate::control) tracking: Tracking,
    /// Seconds after which a flow of its protocol without packets is over.
    pub(in crate::control) idle: u32,
    /// Whether its target has an entry.
    pub(in crate::control) exists: bool,
}

/// Why a pin goes, or that it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Verdict {
    /// It stays.
    Keep,
    /// The flow is over.
    Idle,
    /// The flow goes where it goes without the pin.
    Needless,
    /// Its target has no entry, and its number may be another's next.
    Gone,
}

/// Judges `pin` at `now`, in seconds of the monotonic clock.
pub(in crate::control) fn judge(pin: &Pin, place: &Place, now: u32) -> Verdict {
    let silent = pin.silence(now);
    let patience = if pin.flags & Pin::FIN == 0 { place.idle } else { AFTER_FIN.min(place.idle) };
    if !place.exists {
        Verdict::Gone
    } else if silent > patience {
        Verdict::Idle
    } else if match place.tracking {
        Tracking::None => true,
        Tracking::Transition => !place.slot.is_open() && place.slot.current() == pin.target,
        Tracking::All | Tracking::Translated => false,
    } {
        Verdict::Needless
    } else {
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use nlb_common::slot::Tick;

    use super::*;

    #[test]
    fn a_pin_stays_as_long_as_a_flow_needs_it() {
        use Tracking::{All, Transition};
        let closed = Slot::closed(1, 0).with_pins(true);
        let open = Slot::open(1, 3, Tick::at(0));
        let cases = [
            ("elsewhere than current", 2, 990, 0, closed, Transition, true, Verdict::Keep),
            ("at current", 1, 990, 0, closed, Transition, true, Verdict::Needless),
            ("at current of an open slot", 1, 990, 0, open, Transition, true, Verdict::Keep),
            ("at previous of an open slot", 3, 990, 0, open, Transition, true, Verdict::Keep),
            ("at current, all remembered", 1, 990, 0, closed, All, true, Verdict::Keep),
            ("none remembered", 2, 990, 0, closed, Tracking::None, true, Verdict::Needless),
            ("target gone", 2, 990, 0, closed, All, false, Verdict::Gone),
            ("silent for the timeout", 2, 650, 0, closed, All, true, Verdict::Keep),
            ("silent for longer", 2, 649, 0, open, All, true, Verdict::Idle),
            ("after a FIN", 2, 940, Pin::FIN, open, Transition, true, Verdict::Keep),
            ("long after a FIN", 2, 939, Pin::FIN, open, Transition, true, Verdict::Idle),
            ("seen since", 2, 1_001, 0, open, Transition, true, Verdict::Keep),
        ];
        for (name, target, seen, flags, slot, tracking, exists, expected) in cases {
            let pin = Pin { target, slot: 0, seen, flags };
            assert_eq!(judge(&pin, &Place { slot, tracking, idle: 350, exists }, 1_000), expected, "{name}");
        }
    }
}
