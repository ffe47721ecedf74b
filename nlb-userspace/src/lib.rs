//! The `nlb` command: the agent that keeps the edge's tables right, the target host's agent, and the command line.
//!
//! A decision travels through these modules in this order: `config` and `api` turn text into `model`; `control` holds
//! the state and says what the tables should be; `dataplane` writes the difference into the kernel. `health` and
//! `netlink` feed `control` with what happens outside. Everything but the edges (sockets, netlink, bpf) is a pure
//! function of state, event and time.

pub mod active;
pub mod agent;
pub mod api;
pub mod args;
pub mod autoscale;
pub mod capture;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod dataplane;
pub mod doctor;
pub mod explain;
pub mod fragments;
pub mod health;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod netlink;
pub mod programs;
pub mod providers;
pub mod ring;
pub mod scrape;
pub mod store;
pub mod target_agent;
pub mod tls;
