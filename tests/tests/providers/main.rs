//! Providers against one contract: what the runtime relies on holds for each.

mod contract;
mod exec;
mod process;
