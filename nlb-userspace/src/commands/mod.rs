//! The commands of the command line, one file each.
//!
//! A command asks the agent, or the kernel of this host, and shows the answer: as text through `render`, or as JSON.
//! It decides nothing about traffic. Each has a pure function from answer to text.

mod agent;
mod config;
mod detach;
mod doctor;
mod explain;
mod failure;
mod listener;
mod output;
mod reload;
mod stats;
mod status;
mod target;
mod target_agent;
mod target_group;
mod trace;

pub mod render;

use std::process::ExitCode;

pub use failure::CommandError;

use self::output::Output;
use self::render::Style;
use crate::api::client::Client;
use crate::args::{Arguments, Command, Global};

/// The texts that commands show, for tests.
pub mod text {
    pub use super::doctor::text as doctor;
    pub use super::explain::text as explain;
    pub use super::listener::{detail as listener, list as listeners};
    pub use super::reload::text as reload;
    pub use super::stats::{rates as stats_rates, totals as stats};
    pub use super::status::text as status;
    pub use super::target::{changed, list as targets};
    pub use super::target_group::{detail as target_group, list as target_groups};
}

/// Runs what the command line says, and tells the process's exit status: 0, 1 failed, 2 usage.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { global, command } = arguments;
    let json = global.json;
    let style = Style::of(global.color, &std::io::stderr());
    match dispatch(global, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(json, style),
    }
}

fn dispatch(global: Global, command: Command) -> Result<(), CommandError> {
    let output = &Output::new(&global);
    let client = &Client::new(global.socket);
    match command {
        Command::Agent(arguments) => agent::run(&arguments),
        Command::TargetAgent(arguments) => target_agent::run(*output, &arguments),
        Command::Config(command) => wait(config::run(client, output, command)),
        Command::Reload => wait(reload::run(client, output)),
        Command::Status => wait(status::run(client, output)),
        Command::Listener(command) => wait(listener::run(client, output, command)),
        Command::TargetGroup(command) => wait(target_group::run(client, output, command)),
        Command::Target(command) => wait(target::run(client, output, command)),
        Command::Stats(arguments) => wait(stats::run(client, output, arguments)),
        Command::Explain(flow) => wait(explain::run(client, output, flow)),
        Command::Trace(pattern) => wait(trace::run(client, output, pattern.into())),
        Command::Doctor(arguments) => wait(doctor::run(client, output, &arguments)),
        Command::Detach(arguments) => wait(detach::run(*output, &arguments)),
        Command::Openapi => output.text(&crate::api::openapi::text()),
    }
}

/// Runs what a command asks, on a runtime of its own.
fn wait(asked: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::failed(error.to_string(), "raise the limit of open files (ulimit -n)"))?
        .block_on(asked)
}
