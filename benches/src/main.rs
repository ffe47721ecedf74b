//! `nlb-bench`, which `cargo xtask bench` builds for release and runs: the figures of `benches/README.md`.
//!
//! One folder per bench; what they share is a [`Report`] of [`Figure`]s. The rule for all:
//! what is compared was measured in the same run, turn by turn, several times; the figure is the median.

mod autoscale;
mod balancer;
mod check;
mod control;
mod figure;
mod latency;
mod leftovers;
mod list;
mod page;
mod pipeline;
mod poller;
mod program;
mod report;
mod ring;
mod undisturbed;
mod vm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use figure::Figure;
use list::BENCHES;
use report::Report;

/// Measures; every figure is the median of several runs.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Which benches; all that need nothing special when none is named. `profile`: where in the program the time goes.
    #[arg(value_name = "NAME", value_parser = list::names())]
    benches: Vec<String>,
    /// Measure nothing: take the figures from FILE, which `--json` wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["benches", "quick"])]
    figures: Option<PathBuf>,
    /// Write the figures to FILE: a list of {name, value, unit, goal, met, runs, min, max}.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say what got worse by more than 10 % against the figures on file, and fail if anything did.
    #[arg(long)]
    check: bool,
    /// Put the figures on file: benches/figures.json and the table in benches/README.md.
    #[arg(long, conflicts_with = "check")]
    record: bool,
    /// Fewer and shorter runs: whether a bench works, not what it measures.
    #[arg(long, conflicts_with_all = ["check", "record"])]
    quick: bool,
    /// Folder of recorded loads for `autoscale`: files NAME.csv of seconds and requests per second. Without one only made
    /// loads are tried.
    #[arg(long, value_name = "DIR", env = "NLB_TRACES")]
    traces: Option<PathBuf>,
    /// Be the agent that the bench `control` looks at, with the configuration in FILE.
    #[arg(long, value_name = "FILE", hide = true, exclusive = true)]
    agent: Option<PathBuf>,
}

/// What every bench is told.
#[derive(Clone, Copy, Debug)]
struct Settings<'a> {
    /// How often each row is measured.
    runs: usize,
    /// Rows may be shortened.
    quick: bool,
    /// Where recorded loads are.
    traces: Option<&'a Path>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.agent {
        return control::agent::become_one(file);
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.benches.iter().any(|name| name == list::PROFILE) {
        return program::profile::run().map(|()| true);
    }
    let figures = match &arguments.figures {
        Some(file) => read(file)?,
        None => measure(arguments)?,
    };
    if let Some(file) = &arguments.json {
        write(file, &figures)?;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let on_file = folder.join("figures.json");
    if arguments.record {
        let all = page::merged(read(&on_file)?, figures);
        write(&on_file, &all)?;
        page::rewrite(&folder.join("README.md"), &all)?;
        return Ok(true);
    }
    if arguments.check {
        return Ok(check::against(&read(&on_file)?, &figures));
    }
    Ok(true)
}

fn measure(arguments: &Arguments) -> Result<Vec<Figure>> {
    let settings = Settings {
        runs: if arguments.quick { 2 } else { 7 },
        quick: arguments.quick,
        traces: arguments.traces.as_deref(),
    };
    let mut report = Report::default();
    for bench in BENCHES {
        let named = arguments.benches.iter().any(|name| name == bench.name);
        if named || (arguments.benches.is_empty() && !bench.apart) {
            report.begin(bench);
            (bench.run)(settings, &mut report).with_context(|| format!("bench {}", bench.name))?;
        }
    }
    Ok(report.finish())
}

fn read(file: &Path) -> Result<Vec<Figure>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a list of figures", file.display()))
}

fn write(file: &Path, figures: &[Figure]) -> Result<()> {
    let text = serde_json::to_string_pretty(figures)?;
    fs::write(file, text + "\n").with_context(|| format!("write {}", file.display()))
}
