//! `nlb trace`: lines as packets come, until interrupted.

use super::CommandError;
use super::output::Output;
use crate::api::client::{Client, TracePattern};

/// Shows what the program does with each packet.
pub(super) async fn run(client: &Client, output: &Output, pattern: TracePattern) -> Result<(), CommandError> {
    let mut lines = client.trace(&pattern).await?;
    loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        };
        match line {
            Some(line) => output.line(&line, &line.line)?,
            None => {
                return Err(CommandError::failed(
                    "the agent ended the trace",
                    "did it stop? systemctl status nlb-agent",
                ));
            }
        }
    }
}
