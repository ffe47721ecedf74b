//! Which target each slot of a group's ring belongs to.
//!
//! Pure arithmetic: no clock, no I/O, no state. The invariant: a ring depends on the seed, the size and the members'
//! identities and weights alone, never on the order in which members are given nor on the indexes that this edge's
//! target table happened to give them. So all edges of a cluster compute the same ring without speaking to each other.
//!
//! Callers see [`build`] and the two measures of a change, [`moved`] and [`least_moved`]; how slots are shared out is
//! the business of `rendezvous` and `maglev`
//! alone, of which a target group's settings choose one.
//!
//! How the two compare is a figure of the bench `ring`.

mod change;
mod maglev;
mod rendezvous;

pub use change::{least_moved, moved};
use nlb_common::slot::TargetIndex;

use crate::model::{RingKind, RingSize, Weight};

/// A target that wants slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number in the target table, above 0: what its slots will hold.
    pub index: TargetIndex,
    /// A hash of its group, address and port: the same on all edges, and another for each member.
    pub identity: u64,
    /// Its share relative to the others'.
    pub weight: Weight,
}

/// The ring of `members`: for each slot the index of its target.
///
/// - Every slot has a target, unless no member has a weight above 0: then all are 0, "none".
/// - A member of weight 0 has no slot. Every other has at least one, as long as there are slots for all.
/// - With `n` members of total weight `W`, one of weight `w` has its ideal `size × w / W` slots: by Maglev to within
///   `1 + n × w / W`, so that equal members differ by one slot at most; by rendezvous no more than 2 % above, or rounded up,
///   and below as chance has it: the bench `ring` says how far for how many.
/// - A change of members or weights moves little more than the [least](least_moved) that the new shares ask for.
pub fn build(kind: RingKind, seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
    Kept::default().build(kind, seed, size, members)
}

/// What is kept of a group's ring so that the next one, of nearly the same members, costs less. It changes no ring.
#[derive(Clone, Debug, Default)]
pub struct Kept(Option<rendezvous::Lists>);

impl Kept {
    /// Whether there is nothing in it: always so after a ring of Maglev's.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// As [`build`] does.
    pub fn build(&mut self, kind: RingKind, seed: u64, size: RingSize, members: &[Member]) -> Vec<TargetIndex> {
        match kind {
            RingKind::Rendezvous => rendezvous::build(&mut self.0, seed, size, members),
            RingKind::Maglev => {
                self.0 = None;
                maglev::build(seed, size, members)
            }
        }
    }
}

#[cfg(test)]
mod tests;
