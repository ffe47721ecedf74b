//! `nlb agent` and `nlb target-agent`: this process becomes the agent.

use super::CommandError;
use crate::args::Run;
use crate::{agent, logging, target_agent};

/// Runs the edge's agent until it is told to end.
pub(super) fn edge(run: &Run) -> Result<(), CommandError> {
    start(run, agent::run, "nlb config check FILE; nlb doctor")
}

/// Runs the target host's agent until it is told to end.
pub(super) fn target(run: &Run) -> Result<(), CommandError> {
    start(run, target_agent::run, "nlb doctor")
}

fn start(run: &Run, agent: fn(&std::path::Path) -> anyhow::Result<()>, mend: &str) -> Result<(), CommandError> {
    logging::init(run.log_format)
        .map_err(|error| CommandError::failed(error.to_string(), "unset NLB_LOG to log what matters"))?;
    // The whole chain: each cause says what the one above it can't.
    agent(&run.config).map_err(|error| CommandError::failed(format!("{error:#}"), format!("see {mend}")))
}
