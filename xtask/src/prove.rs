//! `cargo xtask prove`: the proofs by random histories in their long form, built for release.

use std::path::Path;

use anyhow::Result;

use crate::steps::Steps;
use crate::tools;

/// Histories of a whole proof.
const WHOLE: u32 = 1_000_000;
/// Histories of a quick one.
const QUICK: u32 = 10_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ten thousand histories instead of a million.
    #[arg(long, conflicts_with = "histories")]
    quick: bool,
    /// How many histories.
    #[arg(long, value_name = "N")]
    histories: Option<u32>,
    /// The histories of an earlier run once more: its seed. Without one they are others each time.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    let histories = arguments.histories.unwrap_or(if arguments.quick { QUICK } else { WHOLE });
    let mut command = tools::command(root, "cargo");
    command.env("NLB_HISTORIES", histories.to_string());
    if let Some(seed) = arguments.seed {
        command.env("NLB_SEED", seed.to_string());
    }
    command.args(["test", "--release", "--package", "nlb-tests", "--test", "prove_histories", "--", "--nocapture"]);
    let mut steps = Steps::default();
    steps.command(&format!("{histories} histories"), &mut command)?;
    Ok(steps.finish())
}
