//! What can go wrong with the kernel's tables and programs, and what would mend it.

/// An operation on the tables that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DataplaneError {
    /// A slot's index beyond the slot table.
    #[error("slot {slot} is beyond the table of {slots} slots: raise `agent.capacity.slots`")]
    SlotOutOfBounds {
        /// The index.
        slot: u32,
        /// Size of the table.
        slots: usize,
    },
    /// A group whose ring does not lie within the slot table.
    #[error("the ring of group {group} begins at slot {first_slot} and does not fit the table of {slots} slots")]
    RingOutOfBounds {
        /// The group's index.
        group: u32,
        /// Where its ring begins.
        first_slot: u32,
        /// Size of the table.
        slots: usize,
    },
    /// The kernel's side of it.
    #[error(transparent)]
    Kernel(#[from] super::KernelError),
}
