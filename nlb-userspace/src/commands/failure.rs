//! How a command fails: what, and what would mend it, on standard error.

use std::io;
use std::process::ExitCode;

use super::render::{Style, Tone};
use crate::api::client::ClientError;
use crate::api::dto::{ErrorBody, ErrorDetail};

/// Exit status of a command that was misused, as clap's own.
const USAGE: u8 = 2;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The agent gave no good answer.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// Something else went wrong.
    #[error("{what}")]
    Failed {
        /// What.
        what: String,
        /// What would mend it.
        mend: String,
    },
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// The answer can't be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// Shown already: only the exit status is left to say.
    #[error("failed")]
    Shown,
}

impl CommandError {
    /// `what` went wrong, and `mend` would help.
    pub(super) fn failed(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), mend: mend.into() }
    }

    fn detail(&self) -> ErrorDetail {
        let mend = match self {
            Self::Agent(error) => error.mend(),
            Self::Failed { mend, .. } => mend.clone(),
            Self::Usage(_) => "see `nlb --help`".to_owned(),
            Self::Output(_) | Self::Shown => String::new(),
        };
        let problems = match self {
            Self::Agent(ClientError::Refused { detail, .. }) => detail.problems.clone(),
            _ => Vec::new(),
        };
        ErrorDetail { what: self.to_string(), mend, problems }
    }

    /// Says so on standard error, and gives the exit status.
    pub(super) fn report(&self, json: bool, style: Style) -> ExitCode {
        match self {
            // Whoever reads has seen enough (`nlb target list | head`).
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Shown => return ExitCode::FAILURE,
            _ => {}
        }
        let detail = self.detail();
        if json {
            eprintln!("{}", serde_json::json!(ErrorBody { error: detail }));
        } else {
            for problem in &detail.problems {
                eprintln!("{}\n", problem.shown);
            }
            eprintln!("{} {}", style.paint(Tone::Bad, "error:"), detail.what);
            if !detail.mend.is_empty() {
                eprintln!("{} {}", style.paint(Tone::Bold, " mend:"), detail.mend);
            }
        }
        match self {
            Self::Usage(_) => ExitCode::from(USAGE),
            _ => ExitCode::FAILURE,
        }
    }
}
