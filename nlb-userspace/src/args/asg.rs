//! The arguments of `nlb asg`.

mod backtest;
mod import;

use clap::{Args, Subcommand, ValueEnum};

pub use backtest::{Backtest, BacktestRule};
pub use import::Import;

use crate::api::dto::HookResult;
use crate::autoscale::model::{Process, Token};
use crate::model::Name;

/// `nlb asg`.
#[derive(Debug, Subcommand)]
pub enum Asg {
    /// A question to the agent
    #[command(flatten)]
    Ask(AsgQuestion),
    /// Show what scaling rules would have made of a recorded load, and what it would have cost; asks no agent
    Backtest(Backtest),
}

/// What `nlb asg` asks the agent.
#[derive(Debug, Subcommand)]
pub enum AsgQuestion {
    /// All autoscaling groups
    List,
    /// One autoscaling group with its instances
    Show {
        /// Name of the autoscaling group
        group: Name,
    },
    /// Make the capacity so many; policies go on from there
    SetDesired {
        /// Name of the autoscaling group
        group: Name,
        /// Between the group's least and greatest capacity
        desired: u32,
    },
    /// Stop something that a group does by itself
    Suspend {
        /// Name of the autoscaling group
        group: Name,
        /// What
        #[arg(value_parser = process)]
        process: Process,
    },
    /// Let a group do it again
    Resume {
        /// Name of the autoscaling group
        group: Name,
        /// What
        #[arg(value_parser = process)]
        process: Process,
    },
    /// Protect an instance from scale-in
    Protect {
        /// Name of the autoscaling group
        group: Name,
        /// The instance, as `nlb asg show` names it
        #[arg(value_parser = token)]
        instance: Token,
        /// Protect it no longer
        #[arg(long)]
        off: bool,
    },
    /// End an instance, once its targets are drained; it is replaced unless the capacity falls with it
    Terminate {
        /// Name of the autoscaling group
        group: Name,
        /// The instance, as `nlb asg show` names it
        #[arg(value_parser = token)]
        instance: Token,
        /// Let the capacity fall with it
        #[arg(long)]
        decrement: bool,
    },
    /// Show what a group did and why, the newest first
    Activity {
        /// Name of the autoscaling group
        group: Name,
        /// Show so many
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        last: usize,
    },
    /// Show why a group's capacity is what it is
    Explain {
        /// Name of the autoscaling group
        group: Name,
    },
    /// Show what a group's predictive policies go by, for the next 48 hours
    Forecast {
        /// Name of the autoscaling group
        group: Name,
    },
    /// Take in a load that was recorded elsewhere, so that forecasts begin with a past
    Import(Import),
    /// Make all instances anew, a few at a time
    #[command(subcommand)]
    Refresh(Refresh),
    /// Answer a hook that holds an instance
    #[command(subcommand)]
    Hook(Hook),
}

/// `nlb asg refresh`.
#[derive(Debug, Subcommand)]
pub enum Refresh {
    /// Begin, from the group's template as it is configured now
    Start(StartRefresh),
    /// How far it has come
    Status {
        /// Name of the autoscaling group
        group: Name,
    },
    /// Stop it; what is replaced stays
    Cancel {
        /// Name of the autoscaling group
        group: Name,
    },
    /// Stop it, and make all instances from the version before
    Rollback {
        /// Name of the autoscaling group
        group: Name,
    },
}

/// `nlb asg refresh start`. What is left out is as configured.
#[derive(Clone, Debug, Args)]
pub struct StartRefresh {
    /// Name of the autoscaling group
    pub group: Name,
    /// Percent of the capacity that stay in service
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min_healthy: Option<u8>,
    /// Percent of the capacity that may exist
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(100..=200))]
    pub max_healthy: Option<u8>,
    /// Leave instances as they are that are of the wanted version
    #[arg(long)]
    pub skip_matching: bool,
    /// Go back to the version before if it fails
    #[arg(long)]
    pub auto_rollback: bool,
}

/// `nlb asg hook`.
#[derive(Debug, Subcommand)]
pub enum Hook {
    /// Say how the instance goes on
    Complete {
        /// Name of the autoscaling group
        group: Name,
        /// The instance, as `nlb asg show` names it
        #[arg(value_parser = token)]
        instance: Token,
        /// Name of the hook
        hook: Name,
        /// continue or abandon
        #[arg(value_enum)]
        result: HookAnswer,
    },
    /// Say that it still works: its time begins anew
    Heartbeat {
        /// Name of the autoscaling group
        group: Name,
        /// The instance, as `nlb asg show` names it
        #[arg(value_parser = token)]
        instance: Token,
        /// Name of the hook
        hook: Name,
    },
}

/// How an instance goes on from a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HookAnswer {
    /// It goes on.
    Continue,
    /// It does not: at launch it is ended.
    Abandon,
}

impl From<HookAnswer> for HookResult {
    fn from(answer: HookAnswer) -> Self {
        match answer {
            HookAnswer::Continue => Self::Continue,
            HookAnswer::Abandon => Self::Abandon,
        }
    }
}

fn process(text: &str) -> Result<Process, String> {
    let known = Process::ALL.into_iter().find(|process| process.as_str() == text.replace('-', "_"));
    known.ok_or_else(|| format!("use one of {}", Process::ALL.map(Process::as_str).join(", ")))
}

/// A token stands in paths: it is made of a name and a number.
fn token(text: &str) -> Result<Token, String> {
    let name: Result<Name, _> = text.parse();
    name.map(|name| Token(name.to_string())).map_err(|_| "see `nlb asg show GROUP`".to_owned())
}
