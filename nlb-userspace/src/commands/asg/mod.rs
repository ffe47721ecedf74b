//! `nlb asg`: autoscaling groups.

mod backtest;
mod chart;

use super::CommandError;
use super::output::Output;
use crate::args::Asg;

pub use backtest::text as backtest_text;

/// What needs no agent.
pub(super) fn run(output: Output, command: &Asg) -> Result<(), CommandError> {
    match command {
        Asg::Backtest(arguments) => backtest::run(output, arguments),
    }
}
