//! The demonstration: a laboratory, the balancer in it, and what a user would see, step by step. Ends with status 0 only
//! when everything shown was seen.

mod interrupt;
mod scaling;
mod screen;
mod stay;
mod story;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use nlb_tests::lab::{self, Arms};

#[derive(Parser)]
#[command(name = "nlb-demo", about = "Shows the balancer at work in a laboratory of network namespaces")]
struct Arguments {
    /// Leave the laboratory up at the end, until Enter or Ctrl-C, and say what to try.
    #[arg(long)]
    stay: bool,
    /// Give the edge a second leg on the targets' segment, instead of a gateway.
    #[arg(long)]
    two_armed: bool,
    /// Only remove what killed runs left behind.
    #[arg(long)]
    sweep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nThe demonstration could not go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(nix::unistd::Uid::effective().is_root(), "network namespaces and kernel programs need root");
    if arguments.sweep {
        let removed = lab::sweep()?;
        if removed > 0 {
            println!("Removed what {removed} laboratories left behind.");
        }
        return Ok(true);
    }
    interrupt::watch()?;
    let arms = if arguments.two_armed { Arms::Two } else { Arms::One };
    story::tell(arms, arguments.stay)
}
