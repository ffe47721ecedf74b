//! Pinned flows as the agent sees them: where one stands, and the sweep over all of them.

use nlb_common::flow::Pin;
use nlb_common::hash::Flow;

/// A table of pinned flows that the agent sweeps. Half-open flows have none: they push each other out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FlowTable {
    /// TCP flows that are open.
    Established,
    /// Flows of UDP.
    Datagrams,
    /// Translated flows that are open. A place names a flow as its client's packets make it; the entry of the way back comes
    /// and goes with it.
    Translated,
}

/// Where a pin stands: its table and its key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PinPlace {
    /// The table.
    pub table: FlowTable,
    /// The flow.
    pub flow: Flow,
}

/// Pins and where they stand.
pub type Pins = Vec<(PinPlace, Pin)>;

/// Part of a sweep: pins, and the place to go on after, `None` when the sweep is over.
pub type PinBatch = (Pins, Option<PinPlace>);
