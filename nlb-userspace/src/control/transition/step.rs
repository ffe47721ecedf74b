//! What becomes of a slot's word when its target changes, a target dies, or time passes.

use nlb_common::flow::Tracking;
use nlb_common::slot::{Slot, TargetIndex, Tick};

/// Seconds by which a transition outlasts the idle timeout: ticks and `seen` are whole seconds, and a packet that was
/// read before the change is on its way a moment longer.
const MARGIN: u32 = 5;

/// Seconds that a handshake may take: as long as Linux repeats a SYN-ACK (six times, 1 + 2 + … + 32 s).
pub(in crate::control) const HANDSHAKE: u32 = 63;

/// What the rules look at besides the slot.
pub(in crate::control) struct Circumstances<'a> {
    /// Whether flows may still go to a target: it has an entry and is not dead.
    pub(in crate::control) serves: &'a dyn Fn(TargetIndex) -> bool,
    /// Whether a target has an entry: others must not be named.
    pub(in crate::control) exists: &'a dyn Fn(TargetIndex) -> bool,
    /// Which flows of the group are remembered.
    pub(in crate::control) tracking: Tracking,
    /// Seconds after which a flow without packets is over.
    pub(in crate::control) idle: u32,
    /// The present moment.
    pub(in crate::control) now: Tick,
}

/// The slot as it should be when new flows go to `next`.
pub(in crate::control) fn step(slot: Slot, next: TargetIndex, circumstances: &Circumstances<'_>) -> Slot {
    let slot = forget(settle(slot, circumstances), circumstances);
    let slot = if slot.current() == next { slot } else { turn(slot, next, circumstances) };
    match circumstances.tracking {
        Tracking::Transition => slot,
        Tracking::All | Tracking::Translated => slot.with_pins(true),
        Tracking::None => slot.close().with_pins(false),
    }
}

/// Ends a transition whose time is over, or whose former target serves no more.
fn settle(slot: Slot, circumstances: &Circumstances<'_>) -> Slot {
    let slot = settled(slot, circumstances.idle, circumstances.now);
    if slot.is_open() && !(circumstances.serves)(slot.previous()) { slot.close() } else { slot }
}

/// The slot, its transition ended when the time for it is over.
pub(in crate::control) fn settled(slot: Slot, idle: u32, now: Tick) -> Slot {
    if slot.is_open() && age(slot, now) >= open_for(idle) { slot.close() } else { slot }
}

/// Takes the name of a target without an entry out of `previous`.
fn forget(slot: Slot, circumstances: &Circumstances<'_>) -> Slot {
    let previous = slot.previous();
    if slot.is_open() || previous == 0 || (circumstances.exists)(previous) { slot } else { slot.with_previous(0) }
}

fn turn(slot: Slot, next: TargetIndex, circumstances: &Circumstances<'_>) -> Slot {
    let current = slot.current();
    if slot.is_open() {
        // Unpinned flows belong to `previous`. When that is `next`, `current` says so by itself.
        let turned = slot.with_current(next);
        return if slot.previous() == next { turned.close() } else { turned };
    }
    let serves = current != 0 && (circumstances.serves)(current);
    if circumstances.tracking == Tracking::None || !serves {
        return slot.with_current(next);
    }
    Slot::open(next, current, circumstances.now)
}

/// Seconds since the slot's last transition began.
fn age(slot: Slot, now: Tick) -> u32 {
    now.since(slot.opened())
}

/// Seconds that a slot stays open: by then every flow that lives has sent a packet and is pinned.
pub(in crate::control) const fn open_for(idle: u32) -> u32 {
    idle + MARGIN
}

/// Whether a sweep that begins now may clear the slot's `pinned`: it is closed, and whoever began a handshake while
/// it was open has ended it, so that no flow is pinned in the table of half-open ones only.
pub(in crate::control) fn may_lose_pins(slot: Slot, idle: u32, now: Tick) -> bool {
    slot.is_pinned() && !slot.is_open() && age(slot, now) >= open_for(idle) + HANDSHAKE
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: u32 = 100;

    fn circumstances(tracking: Tracking, now: u64) -> Circumstances<'static> {
        // Target 9 is dead, target 8 is gone.
        Circumstances {
            serves: &|target| !matches!(target, 0 | 8 | 9),
            exists: &|target| !matches!(target, 0 | 8),
            tracking,
            idle: IDLE,
            now: Tick::at(now),
        }
    }

    #[test]
    fn the_rules_by_what_the_slot_was() {
        let at = Tick::at(1_000);
        let open = Slot::open(2, 1, at);
        let cases = [
            ("a closed slot opens", Slot::closed(1, 0), 2, open),
            ("a first target is no transition", Slot::EMPTY, 2, Slot::closed(2, 0)),
            ("nobody is left on a dead target", Slot::closed(9, 1), 2, Slot::closed(2, 1)),
            ("nobody is left on one that is gone", Slot::closed(8, 0), 2, Slot::closed(2, 0)),
            (
                "pins stay at a change from a dead target",
                Slot::closed(9, 0).with_pins(true),
                2,
                Slot::closed(2, 0).with_pins(true),
            ),
            ("an open slot keeps its previous target", open, 3, Slot::open(3, 1, at)),
            ("without a new target it keeps it as well", open, 0, Slot::open(0, 1, at)),
            ("back at the previous target it closes", open, 1, Slot::open(1, 1, at).close()),
            ("the same target changes nothing", open, 2, open),
            ("with a dead previous target it closes", Slot::open(2, 9, at), 2, Slot::open(2, 9, at).close()),
            ("and opens for the next one", Slot::open(2, 9, at), 3, Slot::open(3, 2, at)),
            ("with one that is gone it closes and forgets it", Slot::open(2, 8, at), 2, Slot::open(2, 0, at).close()),
            ("a hint at one that is gone is forgotten", Slot::closed(2, 8), 2, Slot::closed(2, 0)),
            ("a hint at a dead one stays", Slot::closed(2, 9), 2, Slot::closed(2, 9)),
        ];
        for (name, slot, next, expected) in cases {
            assert_eq!(step(slot, next, &circumstances(Tracking::Transition, 1_000)), expected, "{name}");
        }
    }

    #[test]
    fn a_slot_stays_open_for_the_idle_timeout_and_its_margin() {
        let open = Slot::open(2, 1, Tick::at(1_000));
        let last = u64::from(1_000 + IDLE + MARGIN);
        assert_eq!(step(open, 2, &circumstances(Tracking::Transition, last - 1)), open);
        assert_eq!(step(open, 2, &circumstances(Tracking::Transition, last)), open.close());
        let next = Slot::open(3, 2, Tick::at(last));
        assert_eq!(step(open, 3, &circumstances(Tracking::Transition, last)), next, "the next transition begins");
    }

    #[test]
    fn tracking_sets_the_flags_of_every_slot() {
        let at = Tick::at(1_000);
        for slot in [Slot::closed(1, 0), Slot::open(2, 1, at), Slot::closed(1, 0).with_pins(true)] {
            for next in [1, 2] {
                for tracking in [Tracking::All, Tracking::Translated] {
                    assert!(step(slot, next, &circumstances(tracking, 1_000)).is_pinned());
                }
                let plain = step(slot, next, &circumstances(Tracking::None, 1_000));
                assert!(plain.is_steady() && plain.current() == next, "{plain:?}");
            }
        }
    }

    #[test]
    fn pins_are_given_up_after_the_last_handshake() {
        let closed = Slot::open(1, 1, Tick::at(1_000)).close();
        let last = u64::from(1_000 + IDLE + MARGIN + HANDSHAKE);
        assert!(!may_lose_pins(closed, IDLE, Tick::at(last - 1)));
        assert!(may_lose_pins(closed, IDLE, Tick::at(last)));
        assert!(!may_lose_pins(Slot::open(2, 1, Tick::at(1_000)), IDLE, Tick::at(last)), "open");
        assert!(!may_lose_pins(closed.with_pins(false), IDLE, Tick::at(last)), "none to lose");
    }
}
