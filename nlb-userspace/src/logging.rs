//! Logs: to standard error, for people or as JSON.
//!
//! `NLB_LOG` chooses what is logged, in the syntax of `tracing_subscriber::EnvFilter`; `info` when it is not set.
//! Lines are about changes of state, once each, never about packets.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Environment variable that chooses what is logged.
pub const FILTER: &str = "NLB_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Why logging can't begin.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is malformed.
    #[error("NLB_LOG is `{text}`, which is no filter: {source}; write `info`, or `info,nlb_userspace::health=debug`")]
    Filter {
        /// The filter.
        text: String,
        /// Why.
        source: ParseError,
    },
    /// Somebody else has set a logger already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the logs of this process to standard error.
pub fn init(format: LogFormat) -> Result<(), LoggingError> {
    let text = std::env::var(FILTER).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::builder().parse(&text).map_err(|source| LoggingError::Filter { text, source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_target(true).finish().try_init()?,
        // The journal keeps its own time.
        LogFormat::Human if std::env::var_os("JOURNAL_STREAM").is_some() => {
            builder.without_time().with_ansi(false).finish().try_init()?;
        }
        LogFormat::Human => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
            builder.with_ansi(colour).finish().try_init()?;
        }
    }
    Ok(())
}
