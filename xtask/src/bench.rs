//! `cargo xtask bench`: builds the benches for release and runs them.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::tools;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// Names of benches and options, as `cargo xtask bench --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    let mut command = tools::command(root, "cargo");
    command.args(["run", "--quiet", "--release", "--package", "nlb-benches", "--bin", "nlb-bench", "--"]);
    Ok(command.args(&arguments.arguments).status()?.success())
}
