//! The project's own commands: `cargo xtask lint | tidy | fuzz | prove | bench | vm`. One file per command; nothing here is part of `nlb`.

mod bench;
mod fuzz;
mod lint;
mod prove;
mod steps;
mod tidy;
mod tools;
mod vm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Lints, fuzzes, proves, measures and keeps the project tidy"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold besides the tests: format, clippy, docs, dependencies, spelling, tidiness.
    Lint(lint::Arguments),
    /// Only the project's own rules: file sizes, words, module docs, layout.
    Tidy,
    /// A short run of every fuzz target.
    Fuzz(fuzz::Arguments),
    /// No live flow on a live target ever moves: a million random histories. Needs root.
    Prove(prove::Arguments),
    /// How fast it is, and whether that is as it should be. Needs root.
    Bench(bench::Arguments),
    /// Tests and measures on other kernels, in a virtual machine. Needs Debian's packages.
    Vm(vm::Arguments),
}

fn main() -> ExitCode {
    let run = || -> Result<bool> {
        let root = root()?;
        match Arguments::parse().command {
            Command::Lint(arguments) => lint::run(&root, &arguments),
            Command::Tidy => tidy::run(&root),
            Command::Fuzz(arguments) => fuzz::run(&root, &arguments),
            Command::Prove(arguments) => prove::run(&root, &arguments),
            Command::Bench(arguments) => bench::run(&root, &arguments),
            Command::Vm(arguments) => vm::run(&root, &arguments),
        }
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(own.parent().context("xtask has no parent folder")?.to_owned())
}
