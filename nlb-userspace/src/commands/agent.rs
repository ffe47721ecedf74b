//! `nlb agent`.

use super::CommandError;
use crate::args::Run;
use crate::{agent, logging};

/// Runs the agent until it is told to stop.
pub(super) fn run(arguments: &Run) -> Result<(), CommandError> {
    logging::init(arguments.log_format)
        .map_err(|error| CommandError::failed(error.to_string(), "see `nlb agent --help`"))?;
    agent::run(&arguments.config).map_err(|error| CommandError::from_chain(&error))
}
