//! What people and scripts see of the agent: the control API, the command line, metrics, `explain` and `doctor`.
//!
//! All of it against one made-up state (`sample`), served by a stand-in for the owner of the state (`agent`).

mod agent;
mod api;
mod arguments;
mod capture;
mod doctor;
mod exit_status;
mod explain;
mod explain_packet;
mod metrics;
mod openapi;
mod render;
mod sample;
