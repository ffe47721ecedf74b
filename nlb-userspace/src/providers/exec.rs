//! Instances by a command of the user's: it is run for each call, with JSON on its input, and answers with JSON and its exit code.
//!
//! The words behind the command's own name the call. Input and output, each one object:
//!
//! | call | input | output |
//! | --- | --- | --- |
//! | `list` | `group` | `instances`: `id`, and what is known of `token`, `zone`, `address`, `port`, `state`, `launched` |
//! | `launch` | `group`, `token`, `zone`, `template` | `id` |
//! | `terminate` | `group`, `ids` | |
//! | `stop`, `start` | `group`, `id` | |
//!
//! The exit code says how it went: 0 done; 64 the settings are wrong; 69 it can't do that at all; 75 there is no room, later there
//! may be; any other: it failed and is asked again. What it says on its error output is the reason.

use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::settings::Settings;
use super::{Launch, Provided, Provider, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate};
use crate::model::Name;

/// Seconds that a call may take unless the settings say otherwise.
const TIMEOUT: u64 = 30;

// sysexits(3), where there is one for it.
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const TEMPORARY: i32 = 75;

/// Most letters of what a command complains that are passed on.
const LONGEST_REASON: usize = 500;

/// The provider.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    template: LaunchTemplate,
    command: Vec<String>,
    limit: Duration,
}

#[derive(Deserialize)]
struct Launched {
    id: InstanceId,
}

#[derive(Deserialize)]
struct Listed {
    instances: Vec<Provided>,
}

impl Exec {
    /// The one that `template` describes.
    pub(super) fn new(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        let settings = Settings(template);
        settings.only(&["command", "timeout"])?;
        let (command, limit) = (settings.command("command")?, settings.seconds("timeout", TIMEOUT)?);
        Ok(Self { template: template.clone(), command, limit })
    }

    /// Makes one call whose answer is an object.
    async fn ask<T: DeserializeOwned>(&self, call: &'static str, input: impl Serialize) -> Result<T, ProviderError> {
        let output = self.call(call, input).await?;
        serde_json::from_slice(&output)
            .map_err(|error| self.failed(call, format!("its answer is not understood: {error}")))
    }

    /// Makes one call, and gives what the command printed.
    async fn call(&self, call: &'static str, input: impl Serialize) -> Result<Vec<u8>, ProviderError> {
        let input = serde_json::to_vec(&input).expect("names, addresses and numbers are JSON");
        let done = timeout(self.limit, self.run(call, &input)).await;
        done.unwrap_or_else(|_| Err(ProviderError::TimedOut { what: self.shown(call), limit: self.limit }))
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
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint: String = complaint.trim().chars().take(LONGEST_REASON).collect();
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

    fn shown(&self, call: &str) -> String {
        format!("`{} {call}`", self.command.join(" "))
    }
}

impl Provider for Exec {
    fn check(&self, template: &LaunchTemplate) -> Result<(), ProviderError> {
        Self::new(template).map(drop)
    }

    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        async move { Ok(self.ask::<Listed>("list", json!({ "group": group })).await?.instances) }.boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        async move { Ok(self.ask::<Launched>("launch", launch).await?.id) }.boxed()
    }

    fn terminate<'a>(&'a self, group: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move { self.call("terminate", json!({ "group": group, "ids": ids })).await.map(drop) }.boxed()
    }

    fn stop<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move { self.call("stop", json!({ "group": group, "id": id })).await.map(drop) }.boxed()
    }

    fn start<'a>(&'a self, group: &'a Name, id: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move { self.call("start", json!({ "group": group, "id": id })).await.map(drop) }.boxed()
    }
}
