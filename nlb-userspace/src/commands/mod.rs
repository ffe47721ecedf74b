//! The commands of the command line, one file each.
//!
//! A command asks the agent, or the kernel of this host, and shows the answer: as text through `render`, or as JSON.
//! It decides nothing about traffic. Each has a pure function from answer to text.

mod agents;
mod asg;
mod capture;
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
mod target_group;
mod trace;

pub mod render;

use std::process::ExitCode;

pub use failure::CommandError;

use self::output::Output;
use self::render::Style;
use crate::api::client::Client;
use crate::args::{Arguments, Asg, Command, Global, Question};

/// The texts that commands show, for tests.
pub mod text {
    pub use super::asg::backtest_text as backtest;
    pub use super::asg::supply_chart;
    pub use super::asg::text as asg;
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
    match command {
        // The agents bring runtimes of their own.
        Command::Agent(run) => agents::edge(&run),
        Command::TargetAgent(run) => agents::target(&run),
        Command::Detach(arguments) => detach::run(Output::new(&global), &arguments),
        Command::Asg(Asg::Backtest(arguments)) => asg::backtest(Output::new(&global), &arguments),
        Command::Asg(Asg::Ask(question)) => {
            block_on(async { asg::ask(&Client::new(&global.socket), &Output::new(&global), question).await })
        }
        Command::Openapi => Output::new(&global).text(&crate::api::openapi::text()),
        Command::Ask(question) => block_on(ask(global, question)),
    }
}

fn block_on(command: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::failed(error.to_string(), "raise the limit of open files"))?;
    runtime.block_on(command)
}

async fn ask(global: Global, question: Question) -> Result<(), CommandError> {
    let output = Output::new(&global);
    let client = Client::new(global.socket);
    match question {
        Question::Config(command) => config::run(&client, &output, command).await,
        Question::Reload => reload::run(&client, &output).await,
        Question::Status => status::run(&client, &output).await,
        Question::Listener(command) => listener::run(&client, &output, command).await,
        Question::TargetGroup(command) => target_group::run(&client, &output, command).await,
        Question::Target(command) => target::run(&client, &output, command).await,
        Question::Stats(arguments) => stats::run(&client, &output, arguments).await,
        Question::Explain(flow) => explain::run(&client, &output, flow).await,
        Question::Trace(pattern) => trace::run(&client, &output, pattern.into()).await,
        Question::Capture(arguments) => capture::run(&client, &output, &arguments).await,
        Question::Doctor(arguments) => doctor::run(&client, &output, &arguments).await,
    }
}
