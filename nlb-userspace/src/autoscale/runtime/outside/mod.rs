//! What a group asks outside: queries of a Prometheus server, node_exporter on its instances. When, and what the answers are
//! worth, is decided here and pure; `ask` does the asking.
//!
//! At the end of each period all questions are asked that are due, and the figures that need them wait until all answers are in,
//! each of which has a time limit. A failure is no figure, until an answer comes.

mod ask;
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) use ask::Asker;
use question::{Question, Unanswered};

use crate::autoscale::model::{Instance, Lifecycle, MetricError, Source, Statistic, Token};
use crate::model::Timestamp;
use crate::scrape::Usage;

/// The questions of a group.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// By query, as configured.
    queries: BTreeMap<String, Question<Vec<f64>>>,
    hosts: BTreeMap<Token, Host>,
    /// Whether figures wait for answers.
    is_awaited: bool,
}

/// An instance that is asked.
#[derive(Debug)]
struct Host {
    socket: SocketAddr,
    question: Question<Usage>,
    /// The answer before the last one, if that was the one before.
    before: Option<Usage>,
}

/// Who is to be asked what.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// The Prometheus server.
    Query(String),
    /// An instance's node_exporter.
    Host(Token, SocketAddr),
}

/// What was answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// To that query.
    Query(String, Result<Vec<f64>, String>),
    /// By that instance.
    Host(Token, Result<Usage, String>),
}

impl Outside {
    /// A period is over: what is to be asked for the sources that a group goes by.
    pub(super) fn begin<'a>(
        &mut self,
        sources: &BTreeSet<&Source>,
        instances: impl Iterator<Item = &'a Instance>,
        port: u16,
        now: Timestamp,
    ) -> Vec<Ask> {
        let mut asks = Vec::new();
        let query = |source: &&Source| match source {
            Source::Prometheus { query } => Some(query.clone()),
            _ => None,
        };
        let queries: BTreeSet<String> = sources.iter().filter_map(query).collect();
        self.queries.retain(|query, _| queries.contains(query));
        for query in queries {
            if self.queries.entry(query.clone()).or_default().is_due(now) {
                asks.push(Ask::Query(query));
            }
        }
        let asks_hosts = sources.contains(&Source::Cpu) || sources.contains(&Source::Memory);
        let hosts: BTreeMap<Token, SocketAddr> = instances
            .filter(|instance| asks_hosts && instance.lifecycle == Lifecycle::InService)
            .filter_map(|instance| Some((instance.token.clone(), SocketAddr::new(instance.address?, port))))
            .collect();
        self.hosts.retain(|token, host| hosts.get(token) == Some(&host.socket));
        for (token, socket) in hosts {
            let host = Host { socket, question: Question::default(), before: None };
            if self.hosts.entry(token.clone()).or_insert(host).question.is_due(now) {
                asks.push(Ask::Host(token, socket));
            }
        }
        self.is_awaited = !(self.queries.is_empty() && self.hosts.is_empty());
        asks
    }

    /// Takes in an answer. One to what is not asked any more is passed over.
    pub(super) fn answered(&mut self, answer: Answer, period: Duration, now: Timestamp) {
        match answer {
            Answer::Query(query, samples) => {
                if let Some(question) = self.queries.get_mut(&query) {
                    question.answered(samples, period, now);
                }
            }
            Answer::Host(token, usage) => {
                if let Some(host) = self.hosts.get_mut(&token) {
                    host.before = host.question.answer(period, now).ok().copied().filter(|_| usage.is_ok());
                    host.question.answered(usage, period, now);
                }
            }
        }
    }

    /// Whether all answers are in that figures wait for: true once a period.
    pub(super) fn is_complete(&mut self, now: Timestamp) -> bool {
        let waits = self.queries.values().any(|question| question.is_waiting(now))
            || self.hosts.values().any(|host| host.question.is_waiting(now));
        let is_complete = self.is_awaited && !waits;
        self.is_awaited &= waits;
        is_complete
    }

    /// The figure of a source that is measured outside, over these instances.
    pub(super) fn figure(
        &self,
        source: &Source,
        statistic: Statistic,
        instances: &[Token],
        period: Duration,
        now: Timestamp,
    ) -> Result<f64, MetricError> {
        let figures = match source {
            Source::Prometheus { query } => {
                let answer =
                    self.queries.get(query).map_or(Err(Unanswered::Not(None)), |query| query.answer(period, now));
                answer.cloned().map_err(|why| missing("Prometheus".to_owned(), why))?
            }
            _ => instances
                .iter()
                .map(|token| self.figure_of(source, token, period, now))
                .collect::<Result<Vec<_>, _>>()?,
        };
        statistic.of(&figures).ok_or_else(|| nothing("no instance is in service and warm".to_owned()))
    }

    fn figure_of(&self, source: &Source, token: &Token, period: Duration, now: Timestamp) -> Result<f64, MetricError> {
        let Some(host) = self.hosts.get(token) else { return Err(nothing(format!("{token} has no address yet"))) };
        let asked = || format!("node_exporter of {token} ({})", host.socket);
        let usage = host.question.answer(period, now).map_err(|why| missing(asked(), why))?;
        if *source == Source::Memory {
            return Ok(usage.memory);
        }
        let before = host.before.ok_or_else(|| nothing(format!("a second answer of {}", asked())))?;
        let share = usage.cpu.share_since(before.cpu);
        share.ok_or_else(|| nothing(format!("{} began anew", asked())))
    }
}

fn missing(asked: String, why: Unanswered) -> MetricError {
    match why {
        Unanswered::Not(None) => nothing(format!("an answer of {asked}")),
        Unanswered::Not(Some(age)) => nothing(format!("no answer of {asked} for {} s", age.as_secs())),
        Unanswered::Failed(reason) => MetricError::Failed { source_name: asked, reason },
    }
}

fn nothing(what: String) -> MetricError {
    MetricError::NoData { what }
}

#[cfg(test)]
mod tests;
