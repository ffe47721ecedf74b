//! `cargo xtask vm bench`: the edge beside the kernel's own balancer, which this machine's kernel need not have. The bench itself
//! is `benches/src/vm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::image::Image;
use super::kernel::Kernel;
use super::machine::{Clock, FINISHED, Machine};
use super::{KERNEL, cargo};
use crate::tools;

const JOB: &[u8] = include_bytes!("guest/bench.sh");
/// What the bench runs, besides what busybox has.
const TOOLS: [&str; 4] = ["busybox", "ip", "ethtool", "ipvsadm"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The series of Debian's kernels to measure on, or a variant of one (6.12, 6.1-cloud).
    #[arg(long, value_name = "SERIES", default_value = KERNEL)]
    kernel: String,
    /// The machine is ended after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    limit: u64,
    /// Write the figures to FILE: a list of {name, value, unit, goal, met, runs, min, max}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say what got worse by more than 10 % against the figures on file, and fail if anything did.
    #[arg(long)]
    check: bool,
    /// Put the figures on file: benches/figures.json and the table in benches/README.md.
    #[arg(long, conflicts_with = "check")]
    record: bool,
    /// Fewer and shorter runs: whether the bench works, not what it measures.
    #[arg(long, conflicts_with_all = ["check", "record"])]
    quick: bool,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    // As tests are built, so that nothing is built twice: what is measured is the kernel and the kernel programs, which are
    // always built for speed.
    let bench = cargo::build(root, "build --bins")?.programs;
    let bench = bench.get("nlb-bench").context("cargo built no nlb-bench")?;
    let cache = root.join("target/vm");
    let kernel = Kernel::of_series(&cache, &arguments.kernel)?;
    let label = format!("{}-bench", arguments.kernel);
    let logs = cache.join(format!("bench-{}", arguments.kernel));
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let file = logs.join("image");
    let mut image = Image::new(&logs, &kernel, &TOOLS, JOB)?;
    image.program("/bin/nlb-bench", bench)?;
    image.text("/arguments", if arguments.quick { "--quick" } else { "" });
    image.write(&file)?;
    println!("-- {}", kernel.name);
    let limit = Duration::from_secs(arguments.limit);
    let ended = Machine {
        kernel: &kernel,
        image: &file,
        logs: &logs,
        label: &label,
        limit,
        parameters: "",
        clock: Clock::Instructions,
    }
    .run()?;
    fs::remove_file(&file)?;
    if !ended.finished {
        ended.explain();
        return Ok(false);
    }
    let figures = logs.join("figures.json");
    fs::write(&figures, ended.report.trim_end().trim_end_matches(FINISHED))?;
    file_away(root, bench, &figures, arguments)
}

/// What any bench does with its figures.
fn file_away(root: &Path, bench: &Path, figures: &Path, arguments: &Arguments) -> Result<bool> {
    let mut command = tools::command(root, &bench.to_string_lossy());
    command.arg("--figures").arg(figures);
    if let Some(file) = &arguments.json {
        // It runs in the project's root, and its caller may be elsewhere.
        command.arg("--json").arg(std::path::absolute(file)?);
    }
    command.args(arguments.check.then_some("--check")).args(arguments.record.then_some("--record"));
    Ok(command.status().context("cannot run nlb-bench")?.success())
}
