//! `cargo xtask fuzz`: a short run of every fuzz target; with `--packets`, packets through the loaded programs instead.
//!
//! Without a sanitizer, libFuzzer works with a stable compiler too: it only needs coverage, which the compiler gives
//! under `RUSTC_BOOTSTRAP`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::steps::Steps;
use crate::tools;

const CRATE: &str = "tests/fuzz";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u32,
    /// How many inputs each target gets at most.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Random and mutated packets through the loaded programs and an independent reference, instead of the fuzz targets. Needs
    /// root.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = PACKETS, conflicts_with_all = ["runs", "target"])]
    packets: Option<u32>,
    /// The packets of an earlier run once more: its seed. Without one they are others each time.
    #[arg(long, requires = "packets")]
    seed: Option<u64>,
    /// Only this target.
    target: Option<String>,
}

/// Packets of a whole run.
const PACKETS: &str = "10000000";

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    if let Some(packets) = arguments.packets {
        return run_packets(root, packets, arguments.seed);
    }
    ensure!(root.join(CRATE).join("Cargo.toml").exists(), "there is no fuzz crate at {CRATE}");
    let targets = match &arguments.target {
        Some(target) => vec![target.clone()],
        None => targets(root)?,
    };
    ensure!(!targets.is_empty(), "{CRATE} has no fuzz targets");
    let mut steps = Steps::default();
    for target in targets {
        // What it finds goes into a folder that git ignores; the seeds beside the targets are only read.
        let found = root.join(CRATE).join("target/corpus").join(&target);
        let seeds = root.join(CRATE).join("corpus").join(&target);
        for folder in [&found, &seeds] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = cargo_fuzz(root, "run");
        command.args(["--sanitizer", "none", &target]).args([&found, &seeds]);
        command.args(["--", &format!("-max_total_time={}", arguments.seconds)]);
        command.args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
        command.args(arguments.runs.map(|runs| format!("-runs={runs}")));
        steps.command(&format!("fuzz {target}"), &mut command)?;
    }
    Ok(steps.finish())
}

fn run_packets(root: &Path, packets: u32, seed: Option<u64>) -> Result<bool> {
    let mut command = tools::command(root, "cargo");
    command.env("NLB_PACKETS", packets.to_string()).envs(seed.map(|seed| ("NLB_SEED", seed.to_string())));
    command.args(["test", "--release", "--package", "nlb-tests", "--test", "packets_fuzz", "--", "--nocapture"]);
    let mut steps = Steps::default();
    steps.command(&format!("{packets} packets"), &mut command)?;
    Ok(steps.finish())
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let listed =
        cargo_fuzz(root, "list").output().context("cannot run cargo-fuzz; scripts/setup.sh --test installs it")?;
    ensure!(listed.status.success(), "cargo fuzz list: {}", String::from_utf8_lossy(&listed.stderr));
    Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
}

fn cargo_fuzz(root: &Path, verb: &str) -> Command {
    let mut command = tools::command(root, "cargo");
    command.env("RUSTC_BOOTSTRAP", "1").args(["fuzz", verb, "--fuzz-dir", CRATE]);
    command
}
