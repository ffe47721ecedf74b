//! Providers against one contract: what the runtime relies on holds for each.

mod contract;
mod docker;
mod ec2;
mod exec;
mod kubernetes;
mod process;
mod systemd;
mod webhook;
