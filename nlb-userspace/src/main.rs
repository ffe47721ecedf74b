//! The `nlb` command.

use std::process::ExitCode;

use clap::Parser as _;
use nlb_userspace::args::Arguments;
use nlb_userspace::commands;

fn main() -> ExitCode {
    commands::run(Arguments::parse())
}
