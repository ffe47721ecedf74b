//! How much of a ring a change moved, and how little it could have moved.
//!
//! Rings of different sizes are compared as the packet path sees them: a slot is the low bits of a flow's hash, so a
//! ring that is repeated until it is as long as the larger one sends every flow where it did before.

use nlb_common::slot::TargetIndex;

/// Slots whose target differs between the rings `old` and `new`, counted in slots of the larger one. Slots without a
/// target count as slots of the target 0, here and in [`least_moved`]: a first ring moves all of its slots.
pub fn moved(old: &[TargetIndex], new: &[TargetIndex]) -> u32 {
    let size = old.len().max(new.len());
    count(repeated(old, size).zip(repeated(new, size)).filter(|(old, new)| old != new).count())
}

/// The least that any ring with the shares of `new` would have moved: the sum over all targets, those that `new` has
/// no longer included, of the slots that the target lost, `max(0, slots in old − slots in new)`.
///
/// Every slot that a target loses is a slot that moves, and a ring that takes exactly those from `old` reaches the
/// shares of `new`; so this is a lower bound that some ring attains.
pub fn least_moved(old: &[TargetIndex], new: &[TargetIndex]) -> u32 {
    let size = old.len().max(new.len());
    let greatest = old.iter().chain(new).max().map_or(0, |&target| target as usize);
    let mut lost = vec![0_i64; greatest + 1];
    repeated(old, size).for_each(|target| lost[target as usize] += 1);
    repeated(new, size).for_each(|target| lost[target as usize] -= 1);
    u32::try_from(lost.iter().filter(|&&slots| slots > 0).sum::<i64>()).unwrap_or(u32::MAX)
}

/// The ring repeated to `size` slots; a ring of no slots is one that has no targets.
fn repeated(ring: &[TargetIndex], size: usize) -> impl Iterator<Item = TargetIndex> {
    let ring = if ring.is_empty() { &[0] } else { ring };
    ring.iter().copied().cycle().take(size)
}

fn count(slots: usize) -> u32 {
    u32::try_from(slots).unwrap_or(u32::MAX)
}
