//! How a slot gets from one target to the next without breaking a flow.
//!
//! Pure rules: [`step`] gives a slot's next word, [`pins`] judges a pinned flow, [`sweep`] walks over all of them. None
//! of them knows groups, names or tables; time is passed in.
//!
//! The invariant that they keep together with the packet path: while a slot is open, a flow that is not pinned belongs
//! to `previous`; while it is closed, to `current`. So a flow that lives on a target that may serve it never moves, in
//! whatever order targets come, go and die.

pub(super) mod clock;
pub(super) mod pins;
pub(super) mod step;
pub(super) mod sweep;
#[cfg(test)]
mod tests;
