//! Calls as JSON documents, for whoever launches in the user's place.
//!
//! Input and output of each call, one object each:
//!
//! | call | input | output |
//! | --- | --- | --- |
//! | `list` | `group` | `instances`: `id`, and what is known of `token`, `zone`, `address`, `port`, `state`, `launched` |
//! | `launch` | `group`, `token`, `zone`, `template` | `id` |
//! | `terminate` | `group`, `ids` | |
//! | `stop`, `start` | `group`, `id` | |

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::{Launch, Provided, Provider, ProviderError};
use crate::autoscale::model::InstanceId;
use crate::model::Name;

/// Takes documents there and back.
pub(super) trait Carrier: Send + Sync {
    /// Delivers the input of a call, and brings its output.
    fn carry<'a>(&'a self, call: &'static str, input: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, ProviderError>>;

    /// A call as people know it.
    fn shown(&self, call: &str) -> String;
}

/// The provider that a carrier leads to.
#[derive(Clone, Debug)]
pub(super) struct Documents<C> {
    pub(super) carrier: C,
    /// How long a call may take.
    pub(super) limit: Duration,
}

#[derive(Deserialize)]
struct Launched {
    id: InstanceId,
}

#[derive(Deserialize)]
struct Listed {
    instances: Vec<Provided>,
}

impl<C: Carrier> Documents<C> {
    /// Makes one call whose answer is an object.
    async fn ask<T: DeserializeOwned>(&self, call: &'static str, input: impl Serialize) -> Result<T, ProviderError> {
        let output = self.call(call, input).await?;
        serde_json::from_slice(&output).map_err(|error| ProviderError::Unavailable {
            what: self.carrier.shown(call),
            reason: format!("its answer is not understood: {error}"),
        })
    }

    /// Makes one call, and gives whatever the answer is.
    async fn call(&self, call: &'static str, input: impl Serialize) -> Result<Vec<u8>, ProviderError> {
        let input = serde_json::to_vec(&input).expect("names, addresses and numbers are JSON");
        let done = timeout(self.limit, self.carrier.carry(call, &input)).await;
        done.unwrap_or_else(|_| Err(ProviderError::TimedOut { what: self.carrier.shown(call), limit: self.limit }))
    }
}

impl<C: Carrier> Provider for Documents<C> {
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
