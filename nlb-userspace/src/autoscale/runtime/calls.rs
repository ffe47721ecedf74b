//! Calls of providers: each a task of its own, with a time limit, so that one that hangs holds nothing else up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::foresight::{self, Job};
use super::outside::Answer;
use crate::autoscale::engine::Event;
use crate::autoscale::model::{InstanceId, Token};
use crate::model::{Name, Timestamp};
use crate::providers::{Launch, Provided, Provider, ProviderError};

/// How long a provider may take for any call. Below the time after which the engine asks again.
const LIMIT: Duration = Duration::from_secs(60);

/// What a call, or a hook, came to.
#[derive(Debug)]
pub(super) struct Report {
    /// The group.
    pub(super) group: Name,
    /// What.
    pub(super) outcome: Outcome,
}

/// The ways in which calls end.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Something for the engine to know.
    Event(Event),
    /// The provider's list, asked for at that moment, or why it could not be had.
    List(Timestamp, Result<Vec<Provided>, ProviderError>),
    /// Something failed of which the engine learns by the next list.
    Failed(ProviderError),
    /// It went well, and there is nothing to know.
    Done,
    /// Somebody outside answered.
    Outside(Answer),
    /// A forecast is made.
    Foreseen(Name, foresight::Done),
}

/// A group's provider, and where what its calls came to is sent.
#[derive(Clone)]
pub(super) struct Caller {
    /// The group.
    pub(super) group: Name,
    /// Its provider.
    pub(super) provider: Arc<dyn Provider>,
    /// Where reports go.
    pub(super) reports: mpsc::Sender<Report>,
}

impl Caller {
    /// Asks for the list.
    pub(super) fn list(&self, asked: Timestamp) {
        self.spawn(
            "list".to_owned(),
            |provider, group| Box::pin(async move { provider.list(&group).await }),
            move |result| Outcome::List(asked, result),
        );
    }

    /// Asks for an instance.
    pub(super) fn launch(&self, launch: Launch) {
        let token = launch.token.clone();
        self.spawn(
            format!("launch {token}"),
            |provider, _| Box::pin(async move { provider.launch(&launch).await }),
            |result| Outcome::Event(Event::Launched { token, result }),
        );
    }

    /// Asks for an instance's end.
    pub(super) fn terminate(&self, token: Token, id: InstanceId) {
        self.spawn(
            format!("terminate {token}"),
            |provider, group| Box::pin(async move { provider.terminate(&group, &[id]).await }),
            |result| Outcome::Event(Event::Terminated { token, result }),
        );
    }

    /// Asks that an instance be stopped.
    pub(super) fn stop(&self, token: &Token, id: InstanceId) {
        self.spawn(
            format!("stop {token}"),
            |provider, group| Box::pin(async move { provider.stop(&group, &id).await }),
            |result| result.map_or_else(Outcome::Failed, |()| Outcome::Done),
        );
    }

    /// Asks that a stopped instance be started.
    pub(super) fn start(&self, token: &Token, id: InstanceId) {
        self.spawn(
            format!("start {token}"),
            |provider, group| Box::pin(async move { provider.start(&group, &id).await }),
            |result| result.map_or_else(Outcome::Failed, |()| Outcome::Done),
        );
    }

    /// Makes a forecast for a policy.
    pub(super) fn foresee(&self, policy: Name, job: Job) {
        let (group, reports) = (self.group.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let outcome = Outcome::Foreseen(policy, job.run());
            drop(reports.blocking_send(Report { group, outcome }));
        });
    }

    fn spawn<T: Send + 'static>(
        &self,
        what: String,
        call: impl FnOnce(Arc<dyn Provider>, Name) -> BoxFuture<'static, Result<T, ProviderError>> + Send + 'static,
        outcome: impl FnOnce(Result<T, ProviderError>) -> Outcome + Send + 'static,
    ) {
        let Self { group, provider, reports } = self.clone();
        tokio::spawn(async move {
            let answer = timeout(LIMIT, call(provider, group.clone())).await;
            let result = answer.unwrap_or(Err(ProviderError::TimedOut { what, limit: LIMIT }));
            // An agent that is stopping asks no more.
            drop(reports.send(Report { group, outcome: outcome(result) }).await);
        });
    }
}
