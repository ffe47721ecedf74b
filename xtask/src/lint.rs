//! `cargo xtask lint`: everything that must hold besides the tests.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::steps::{Outcome, Steps};
use crate::{tidy, tools};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Format the code instead of checking its format, and correct the spelling.
    #[arg(long)]
    fix: bool,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    let mut steps = Steps::default();
    let cargo = |line: &str| {
        let mut command = tools::command(root, "cargo");
        command.args(line.split_whitespace());
        command
    };
    let quiet = if env::var_os("CI").is_some() { "--quiet" } else { "" };

    steps.command("format", &mut cargo(if arguments.fix { "fmt --all" } else { "fmt --all --check" }))?;
    steps.step("tidiness", || tidy::check(root))?;
    steps
        .command("spelling (typos)", tools::command(root, "typos").args(arguments.fix.then_some("--write-changes")))?;
    steps.command(
        "dependencies: bans, licences, sources (cargo-deny)",
        &mut cargo("deny --log-level error check bans licenses sources"),
    )?;
    steps.command("dependencies: none unused (cargo-shear)", &mut cargo("shear"))?;
    steps.command("clippy", &mut cargo(&format!("clippy {quiet} --workspace --all-targets -- -D warnings")))?;
    steps.step("clippy for the kernel programs", || kernel_clippy(root))?;
    steps.command(
        "documentation",
        cargo(&format!("doc {quiet} --workspace --no-deps --document-private-items"))
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    Ok(steps.finish())
}

/// The kernel programs are other code when built for the kernel: clippy has to see that too.
fn kernel_clippy(root: &Path) -> Result<Outcome> {
    let Some(rustc) = kernel_rustc() else {
        return Ok(Outcome::Skipped("no toolchain for kernel programs; scripts/setup.sh installs one".to_owned()));
    };
    let bin = rustc.parent().unwrap_or(Path::new("/usr/bin")).to_owned();
    if !bin.join("cargo-clippy").exists() {
        return Ok(Outcome::Skipped(format!("the toolchain in {} has no clippy", bin.display())));
    }
    let mut command = Command::new(bin.join("cargo"));
    // This command is run by another toolchain's cargo, whose settings must not reach it.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if (name.starts_with("CARGO") && name != "CARGO_HOME") || (name.starts_with("RUST") && name != "RUSTUP_HOME") {
            command.env_remove(&*name);
        }
    }
    let status = command
        .current_dir(root)
        .env("PATH", tools::search_path(Some(bin)))
        .env("RUSTC", &rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH))
        .args(["clippy", "--release", "--package", "nlb-ebpf", "--bins", "-Zbuild-std=core"])
        .args(["--target", "bpfel-unknown-none", "--target-dir", "target/kernel-clippy", "--", "-D", "warnings"])
        .status()?;
    Ok(if status.success() { Outcome::Passed } else { Outcome::Failed })
}

/// The compiler that the build of the kernel programs takes: see `nlb-userspace/build.rs`.
fn kernel_rustc() -> Option<PathBuf> {
    let said = |command: &mut Command| {
        let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    };
    let has_source = |rustc: &PathBuf| {
        said(Command::new(rustc).args(["--print", "sysroot"]))
            .is_some_and(|root| root.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists())
    };
    let nightly = || said(Command::new("rustup").args(["which", "--toolchain", "nightly", "rustc"]));
    let named = env::var_os("NLB_EBPF_RUSTC").map(PathBuf::from);
    [named, nightly(), Some("/usr/bin/rustc".into())].into_iter().flatten().find(has_source)
}
