//! Reads a template's settings, and says of a wrong one which and what would be right.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::ProviderError;
use super::pool::Pool;
use crate::autoscale::model::LaunchTemplate;

/// Most letters of what a service or a command complains that are passed on.
const LONGEST_REASON: usize = 500;

/// What a service or a command complains, in one piece for people.
pub(super) fn reason(complaint: &[u8]) -> String {
    String::from_utf8_lossy(complaint).trim().chars().take(LONGEST_REASON).collect()
}

/// The settings of one template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a>(pub(super) &'a LaunchTemplate);

impl<'a> Settings<'a> {
    /// That `key` is wrong, and what would be right.
    pub(super) fn wrong(self, key: &str, problem: impl Into<String>) -> ProviderError {
        let template = self.0.version.name.clone();
        ProviderError::Settings { template, key: format!("settings.{key}"), problem: problem.into() }
    }

    /// Nothing but these keys is there.
    pub(super) fn only(self, known: &[&str]) -> Result<(), ProviderError> {
        match self.0.settings.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.wrong(key, format!("is not known: there are {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    /// A text that has to be there.
    pub(super) fn required(self, key: &str, example: &str) -> Result<&'a str, ProviderError> {
        self.text(key)?.ok_or_else(|| self.wrong(key, format!("is missing: give it, as {example:?}")))
    }

    /// A text.
    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>, ProviderError> {
        match self.0.settings.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, format!("is {other}: give a text in quotes"))),
        }
    }

    /// A file's absolute path.
    pub(super) fn path(self, key: &str) -> Result<Option<PathBuf>, ProviderError> {
        match self.text(key)? {
            Some(path) if !path.starts_with('/') => {
                Err(self.wrong(key, format!("is no absolute path: {path:?}: begin it with `/`")))
            }
            path => Ok(path.map(PathBuf::from)),
        }
    }

    /// An address.
    pub(super) fn address(self, key: &str) -> Result<Option<IpAddr>, ProviderError> {
        let address = self.text(key)?.map(str::parse).transpose();
        address.map_err(|_| self.wrong(key, "is no address: give one as \"10.3.0.1\""))
    }

    /// The addresses that instances are given.
    pub(super) fn pool(self, key: &str) -> Result<Pool, ProviderError> {
        let range = "10.3.0.100-10.3.0.199/24";
        let addresses = self.required(key, range)?;
        Pool::parse(addresses).ok_or_else(|| {
            self.wrong(key, format!("is {addresses:?}, no range within a network: give one as {range:?}"))
        })
    }

    /// The template says which port `what` serves.
    pub(super) fn serves_a_port(self, what: &str) -> Result<(), ProviderError> {
        if self.0.port != 0 {
            return Ok(());
        }
        Err(ProviderError::Settings {
            template: self.0.version.name.clone(),
            key: "port".to_owned(),
            problem: format!("is missing: {what} serves the port that it is told"),
        })
    }

    /// Program and arguments: the program by its absolute path.
    pub(super) fn command(self, key: &str) -> Result<Vec<String>, ProviderError> {
        let right =
            "give the absolute path of a program and its arguments, as [\"/usr/bin/server\", \"--port\", \"80\"]";
        let words = self.0.settings.get(key).ok_or_else(|| self.wrong(key, format!("is missing: {right}")))?;
        let words = texts(words);
        words
            .filter(|words| words.first().is_some_and(|program| program.starts_with('/')))
            .ok_or_else(|| self.wrong(key, format!("is no command: {right}")))
    }

    /// Words, at least one.
    #[cfg(feature = "docker")]
    pub(super) fn words(self, key: &str) -> Result<Option<Vec<String>>, ProviderError> {
        let Some(value) = self.0.settings.get(key) else { return Ok(None) };
        let words = texts(value).filter(|words| !words.is_empty());
        words.map(Some).ok_or_else(|| self.wrong(key, "is no list of words: write [\"serve\", \"--port\", \"80\"]"))
    }

    /// Texts by name.
    pub(super) fn texts(self, key: &str) -> Result<BTreeMap<String, String>, ProviderError> {
        let Some(value) = self.0.settings.get(key) else { return Ok(BTreeMap::new()) };
        let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let texts = value.as_object().and_then(|table| table.iter().map(pair).collect());
        texts.ok_or_else(|| self.wrong(key, "is no table of texts: write { NAME = \"value\" }"))
    }

    /// A time in whole seconds, up to an hour.
    pub(super) fn seconds(self, key: &str, default: u64) -> Result<Duration, ProviderError> {
        let Some(value) = self.0.settings.get(key) else { return Ok(Duration::from_secs(default)) };
        let seconds = value.as_u64().filter(|seconds| (1..=3_600).contains(seconds));
        seconds
            .map(Duration::from_secs)
            .ok_or_else(|| self.wrong(key, format!("is {value}: give whole seconds, 1 to 3600")))
    }
}

fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}
