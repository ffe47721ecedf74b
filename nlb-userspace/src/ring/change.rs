//! How much of a ring a change moved, and how little it could have moved.
//!
//! Rings of different sizes are compared as the packet path sees them: a slot is the low bits of a flow's hash, so a
//! ring that is repeated until it is as long as the larger one sends every flow where it did before.

use nlb_common::slot::TargetIndex;

/// Slots whose target differs between the rings `old` and `new`, counted in slots of the larger one. Slots without a
/// target count as slots of the target 0, here and in [`least_moved`]: a first ring moves all of its slots.
pub fn moved(old: &[TargetIndex], new: &[TargetIndex]) -> u32 {
    let mut moved = 0_u32;
    each(old, new, |old, new| moved += u32::from(old != new));
    moved
}

/// The least that any ring with the shares of `new` would have moved: the sum over all targets, those that `new` has
/// no longer included, of the slots that the target lost, `max(0, slots in old − slots in new)`.
///
/// Every slot that a target loses is a slot that moves, and a ring that takes exactly those from `old` reaches the
/// shares of `new`; so this is a lower bound that some ring attains.
pub fn least_moved(old: &[TargetIndex], new: &[TargetIndex]) -> u32 {
    let greatest = old.iter().chain(new).max().map_or(0, |&target| target as usize);
    let mut lost = vec![0_i64; greatest + 1];
    each(old, new, |old, new| {
        lost[old as usize] += 1;
        lost[new as usize] -= 1;
    });
    u32::try_from(lost.iter().filter(|&&slots| slots > 0).sum::<i64>()).unwrap_or(u32::MAX)
}

/// Hands each slot's targets in both rings over, the shorter one repeated; a ring of no slots is one that has no targets.
fn each(old: &[TargetIndex], new: &[TargetIndex], mut see: impl FnMut(TargetIndex, TargetIndex)) {
    let [old, new] = [old, new].map(|ring| if ring.is_empty() { &[0] } else { ring });
    if old.len() >= new.len() {
        old.chunks(new.len()).for_each(|part| part.iter().zip(new).for_each(|(&old, &new)| see(old, new)));
    } else {
        new.chunks(old.len()).for_each(|part| old.iter().zip(part).for_each(|(&old, &new)| see(old, new)));
    }
}
