//! What keeps traffic from flowing: findings in the order of the packet's way, each with what would mend it.
//!
//! [`gather()`] reads this host and asks the agent; `checks` judges what was read and touches nothing, so that every
//! judgement can be tested on made-up [`Facts`].

mod checks;
mod facts;
mod gather;

use serde::{Deserialize, Serialize};

pub use checks::judge;
pub use facts::{EdgeFacts, Facts, HostFacts, InterfaceFacts, NoAgent, TargetHostFacts};
pub use gather::gather;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing: it can't be judged from here.
    Note,
    /// Traffic flows, but worse than it could or not for long.
    Warn,
    /// Traffic does not flow.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stage of the packet's way.
    pub stage: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What would mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn ok(stage: &str, what: impl Into<String>) -> Self {
        Self { stage: stage.to_owned(), severity: Severity::Ok, what: what.into(), mend: None }
    }

    fn new(severity: Severity, stage: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { stage: stage.to_owned(), severity, what: what.into(), mend: Some(mend.into()) }
    }

    fn note(stage: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Severity::Note, stage, what, mend)
    }

    fn warn(stage: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Severity::Warn, stage, what, mend)
    }

    fn fail(stage: &str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Severity::Fail, stage, what, mend)
    }
}
