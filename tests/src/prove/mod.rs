//! Histories of clients, targets and agents over the loaded program: what the joint proof of "no connection breaks" runs.
//!
//! [`Edge`](edge::Edge) joins the agent's real state to the program's real tables, under a clock that a test moves.
//! [`Oracle`](oracle::Oracle) knows only what clients and operators see: which target a connection was made to, and what
//! was done to that target. It may not look at a slot's word, a pin or a target's entry; only which target a slot names
//! for new flows is told it, for the flows that come to an edge which has not seen them before.

pub mod clock;
pub mod edge;
pub mod history;
pub mod oracle;
pub mod tables;
