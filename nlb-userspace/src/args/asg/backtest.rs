//! The arguments of `nlb asg backtest`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::autoscale::backtest::RuleKind;

/// `nlb asg backtest`.
#[derive(Clone, Debug, Args)]
pub struct Backtest {
    /// The load: lines of `seconds,requests_per_second`, times rising
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// Only these rules; may be given several times [default: all]
    #[arg(long, value_enum, value_name = "RULE")]
    pub policy: Vec<BacktestRule>,
    /// Quantile of the forecast that engine and predictive rule provide for
    #[arg(long, default_value_t = 0.95, value_parser = share, value_name = "SHARE")]
    pub quantile: f64,
    /// Utilisation that the other rules keep, in percent
    #[arg(long, default_value_t = 70.0, value_parser = percent, value_name = "PERCENT")]
    pub target: f64,
    /// Load that one instance carries, per second [default: the 99.9th percentile needs 20 instances]
    #[arg(long, value_parser = positive, value_name = "RATE")]
    pub capacity: Option<f64>,
    /// Seconds from a launch until an instance serves; after 900 the engine would give it up
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..900), value_name = "SECONDS")]
    pub start: u64,
    /// Seconds between decisions
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=3_600), value_name = "SECONDS")]
    pub bin: u64,
    /// Draw supply against demand into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// A rule that is back-tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BacktestRule {
    /// The engine itself, by a quantile of the forecast.
    Engine,
    /// The rule by which it decides, alone.
    Predictive,
    /// Kubernetes' Horizontal Pod Autoscaler.
    Hpa,
    /// Target tracking alone.
    TargetTracking,
    /// Perfect foresight.
    Oracle,
}

impl From<BacktestRule> for RuleKind {
    fn from(rule: BacktestRule) -> Self {
        match rule {
            BacktestRule::Engine => Self::Engine,
            BacktestRule::Predictive => Self::Predictive,
            BacktestRule::Hpa => Self::Hpa,
            BacktestRule::TargetTracking => Self::TargetTracking,
            BacktestRule::Oracle => Self::Oracle,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value < 1.0, "use a number between 0 and 1, as 0.95")
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 100.0, "use a number above 0, up to 100")
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value.is_finite(), "use a number above 0")
}

fn number(text: &str, fits: fn(f64) -> bool, mend: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value| fits(*value)).ok_or_else(|| mend.to_owned())
}
