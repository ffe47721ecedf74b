//! `cargo xtask vm`: a virtual machine with a kernel of Debian's, made from its package, for what other kernels than this
//! machine's must show.
//!
//! ```text
//!   Debian's package ──▶ kernel::Kernel ─┐
//!   this machine's tools, test binaries ─┼─▶ image::Image ──▶ machine::Machine ──▶ console, kernel's log, report
//!   guest/init, guest/JOB ───────────────┘
//! ```
//! The machine has no disk and no network, is emulated, so that it needs nothing of its host, and ends within its time
//! limit. Nothing here knows what a job does: that is the guest's script, and what reads its report.

mod archive;
mod bench;
mod cargo;
mod image;
mod kernel;
mod machine;
mod modules;
mod test;

use std::path::Path;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(clap::Subcommand)]
enum Job {
    /// Do the kernel programs load there, and do what the packet tables say?
    Test(test::Arguments),
    /// How fast is it beside the kernel's own balancer, IPVS?
    Bench(bench::Arguments),
}

/// The kernels that are tried when none is named: the oldest that is supported.
const KERNEL: &str = "6.1";

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    match &arguments.job {
        Job::Test(arguments) => test::run(root, arguments),
        Job::Bench(arguments) => bench::run(root, arguments),
    }
}
