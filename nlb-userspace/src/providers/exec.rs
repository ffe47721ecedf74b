//! Instances by a command of the user's: it is run for each call, with its document on its input, and answers with one and its exit
//! code.
//!
//! The word behind the command's own names the call. The exit code says how it went: 0 done; 64 the settings are wrong; 69 it can't do
//! that at all; 75 there is no room, later there may be; any other: it failed and is asked again. What it says on its error output is
//! the reason.

use std::process::Stdio;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::ProviderError;
use super::documents::{Carrier, Documents};
use super::settings::{Settings, reason};
use crate::autoscale::model::LaunchTemplate;

/// Seconds that a call may take unless the settings say otherwise.
const TIMEOUT: u64 = 30;

// sysexits(3), where there is one for it.
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const TEMPORARY: i32 = 75;

/// The command.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    template: LaunchTemplate,
    command: Vec<String>,
}

impl Exec {
    /// The provider that `template` describes.
    pub(super) fn provider(template: &LaunchTemplate) -> Result<Documents<Self>, ProviderError> {
        let settings = Settings(template);
        settings.only(&["command", "timeout"])?;
        let (command, limit) = (settings.command("command")?, settings.seconds("timeout", TIMEOUT)?);
        Ok(Documents { carrier: Self { template: template.clone(), command }, limit })
    }

    async fn run(&self, call: &'static str, input: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let broke = |error: std::io::Error| self.failed(call, error.to_string());
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words).arg(call).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(broke)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that doesn't read what it is told says by its exit code what it makes of that.
            drop(stdin.write_all(input).await);
        }
        let output = child.wait_with_output().await.map_err(broke)?;
        let complaint = reason(&output.stderr);
        match output.status.code() {
            Some(0) => Ok(output.stdout),
            Some(USAGE) => Err(Settings(&self.template).wrong("command", format!("refuses its settings: {complaint}"))),
            Some(UNAVAILABLE) => Err(ProviderError::Unsupported(call)),
            Some(TEMPORARY) => Err(ProviderError::Capacity(complaint)),
            _ if complaint.is_empty() => Err(self.failed(call, format!("it ended with {}", output.status))),
            _ => Err(self.failed(call, complaint)),
        }
    }

    fn failed(&self, call: &str, reason: String) -> ProviderError {
        ProviderError::Unavailable { what: self.shown(call), reason }
    }
}

impl Carrier for Exec {
    fn carry<'a>(&'a self, call: &'static str, input: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.run(call, input).boxed()
    }

    fn shown(&self, call: &str) -> String {
        format!("`{} {call}`", self.command.join(" "))
    }
}
