//! What the edge's tables hold: targets in every state and by every way, and rings of one slot and more, closed and in transition.

use std::ops::Range;

use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::slot::{Slot, Tick};
use nlb_common::tables::Target;

use crate::packets::world;

/// The listeners' ports. The one behind them has none.
pub(super) const PORTS: Range<u16> = 8_000..8_037;

/// How many targets there are but for those whose flows are translated.
pub(super) const TARGETS: u32 = 16;
/// Those: four from the edge's own address, in each way out, and two from the client's.
pub(super) const TRANSLATED: Range<u32> = 17..23;
/// The one that nobody knows the way to.
const NO_WAY: u32 = 16;
/// Targets whose outer source varies by flow.
const VARIED: Range<u32> = 9..13;
/// A listener's ring and how it is used.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) slots: Vec<Slot>,
    pub(super) affinity: Affinity,
    pub(super) tracking: Tracking,
}

/// The target of that number: every second one by GUE, each pair of another way out.
pub(super) fn target(index: u32) -> Target {
    let forwarding = if index.is_multiple_of(2) { Target::GUE } else { 0 };
    let ready = if index == NO_WAY { 0 } else { Target::READY };
    let source_bits = if VARIED.contains(&index) { 8 } else { 0 };
    let tag = 0x7a67 + u64::from(index);
    let plain = Target { tag, mtu: 9_000, source_bits, ..world::target(index.div_ceil(2)) };
    if !TRANSLATED.contains(&index) {
        return Target { flags: ready | forwarding, ..plain };
    }
    let number = index - TRANSLATED.start;
    let (forwarding, way) = if number < 4 { (Target::NAT_SOURCE, number) } else { (Target::NAT, 2 * (number - 4)) };
    let port = (9_000 + u16::try_from(index).expect("few targets")).to_be();
    Target { tag, flags: ready | forwarding, mtu: 9_000, port, ..world::target(1 + way) }
}

/// Rings of one slot and more, closed and in transition.
pub(super) fn rings() -> Vec<(Vec<Slot>, Affinity, Tracking)> {
    let open = |current, previous| Slot::open(current, previous, Tick::at(0));
    let closed = Slot::closed;
    let one = |slot| (vec![slot], Affinity::Flow, Tracking::Transition);
    let mut rings: Vec<_> = (1..=TARGETS).map(|index| one(closed(index, 0))).collect();
    rings.extend(
        [
            open(3, 1),
            open(4, 2),
            open(5, 0),
            open(7, 7),
            open(10, 8),
            open(6, 14),
            closed(6, 2),
            closed(8, 6).with_pins(true),
            Slot::EMPTY,
        ]
        .map(one),
    );
    rings.extend([
        (vec![open(2, 4)], Affinity::Flow, Tracking::All),
        (vec![closed(7, 0).with_pins(true)], Affinity::Flow, Tracking::All),
        (vec![open(9, 7)], Affinity::Flow, Tracking::None),
        ((1..=8).map(|index| closed(index, 0)).collect(), Affinity::SourceIp, Tracking::Transition),
        (
            (1..=8).map(|index| if index < 5 { open(index, 9 - index) } else { closed(index, 9 - index) }).collect(),
            Affinity::Flow,
            Tracking::Transition,
        ),
    ]);
    let translated = |slots: Vec<Slot>| {
        let slots = slots.into_iter().map(|slot| slot.with_pins(true)).collect();
        (slots, Affinity::Flow, Tracking::Translated)
    };
    rings.extend(TRANSLATED.map(|index| translated(vec![closed(index, 0)])));
    rings.push(translated(vec![closed(17, 0), open(19, 18), open(20, 17), Slot::EMPTY]));
    assert_eq!(rings.len(), PORTS.len());
    rings
}
