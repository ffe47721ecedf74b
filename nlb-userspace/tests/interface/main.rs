//! What people and scripts see of the agent: the control API, the command line, metrics, `explain` and `doctor`.
//!
//! All of it against one made-up state (`sample`), served by stand-ins for the owner of the state (`agent`) and for what drives
//! autoscaling groups (`scaling`).

mod agent;
mod api;
mod arguments;
mod asg;
mod capture;
mod doctor;
mod exit_status;
mod explain;
mod explain_packet;
mod metrics;
mod openapi;
mod render;
mod sample;
mod scaling;
