//! What the API says when it can't do what it was asked.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config;

/// Body of every answer with a status of 400 or above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What is wrong, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// What is wrong, and where.
    pub what: String,
    /// What would mend it.
    pub mend: String,
    /// Each thing wrong in the configuration file, when that is what was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// One thing wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right, when there is more to say than `what` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// The same for people: with the line, and the place in it marked.
    pub shown: String,
}

impl From<&config::Problem> for Problem {
    fn from(problem: &config::Problem) -> Self {
        Self {
            file: problem.place.file.clone(),
            line: problem.place.line,
            column: problem.place.column,
            what: problem.message.clone(),
            mend: problem.help.clone(),
            shown: problem.to_string(),
        }
    }
}
