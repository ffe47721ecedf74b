//! Instances as pods of a workload that has a `scale` subresource: a Deployment, or a ReplicaSet.
//!
//! Which launch a pod is, its annotation `nlb/token` says. A pod that is to be ended is made the cheapest to delete, the workload is
//! scaled down, and the pod is deleted: whether the controller or the agent is the quicker, it is that one. Should the controller choose
//! a pod that isn't ready instead, as it may, the deleted one is replaced, and the replacement is for whoever lost the other. Nothing
//! else may scale the workload.

mod answers;
mod api;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde::de::IgnoredAny;
use serde_json::json;

use self::answers::{Pods, Scale};
use self::api::Api;
use super::fleet::{Claimed, Fleet, Members};
use super::settings::Settings;
use super::{Provided, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate, Token};

/// The annotation that names the launch.
const TOKEN: &str = "nlb/token";

/// What the controller goes by, among pods that are alike otherwise (Kubernetes 1.22).
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The workload.
#[derive(Debug)]
pub(super) struct Kubernetes {
    template: LaunchTemplate,
    api: Api,
    /// Path of the namespace's pods, and of the workload's scale.
    pods: String,
    scale: String,
}

impl Kubernetes {
    /// The provider that `template` describes.
    pub(super) fn provider(template: &LaunchTemplate) -> Result<Claimed<Self>, ProviderError> {
        let settings = Settings(template);
        settings.only(&["workload", "namespace", "server", "token_file", "ca_file"])?;
        let workload = settings.required("workload", "deployments/shop")?;
        let wrong = || settings.wrong("workload", format!("is {workload:?}: write it as \"deployments/shop\""));
        let (kind, name) = workload.split_once('/').ok_or_else(wrong)?;
        if !matches!(kind, "deployments" | "replicasets") || !is_name(name) {
            return Err(wrong());
        }
        let namespace = settings.text("namespace")?.unwrap_or("default");
        if !is_name(namespace) {
            return Err(settings.wrong("namespace", format!("is no namespace: {namespace:?}")));
        }
        Ok(Claimed::new(Self {
            template: template.clone(),
            api: Api::new(settings)?,
            pods: format!("/api/v1/namespaces/{namespace}/pods"),
            scale: format!("/apis/apps/v1/namespaces/{namespace}/{kind}/{name}/scale"),
        }))
    }

    async fn scale(&self) -> Result<Scale, ProviderError> {
        self.api.ask(Method::GET, &self.scale, None).await
    }

    async fn look(&self) -> Result<Members, ProviderError> {
        let scale = self.scale().await?;
        let words = serde_urlencoded::to_string([("labelSelector", &scale.status.selector)]).unwrap_or_default();
        let pods: Pods = self.api.ask(Method::GET, &format!("{}?{words}", self.pods), None).await?;
        let told = |pod: answers::Pod| Provided {
            token: pod.metadata.annotations.get(TOKEN).cloned().map(Token),
            zone: None,
            address: pod.address(),
            port: (self.template.port != 0).then_some(self.template.port),
            state: pod.state(),
            launched: pod.created(),
            id: InstanceId(pod.metadata.name),
        };
        Ok(Members { wanted: scale.spec.replicas, members: pods.items.into_iter().map(told).collect() })
    }

    async fn set_replicas(&self, to: u32) -> Result<(), ProviderError> {
        let patch = json!({ "spec": { "replicas": to } });
        self.api.ask::<IgnoredAny>(Method::PATCH, &self.scale, Some(&patch)).await.map(drop)
    }

    async fn annotate(&self, id: &InstanceId, key: &str, value: &str) -> Result<(), ProviderError> {
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        self.api.ask::<IgnoredAny>(Method::PATCH, &format!("{}/{id}", self.pods), Some(&patch)).await.map(drop)
    }

    async fn remove(&self, ids: &[InstanceId], left: u32) -> Result<(), ProviderError> {
        for id in ids {
            self.annotate(id, COST, &i32::MIN.to_string()).await?;
        }
        self.set_replicas(left).await?;
        for id in ids {
            self.api.delete(&format!("{}/{id}", self.pods)).await?;
        }
        Ok(())
    }
}

/// Whether it may be the name of an object (RFC 1123): what stands in a path needs no escape.
fn is_name(text: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(is_plain)
}

impl Fleet for Kubernetes {
    fn members(&self) -> BoxFuture<'_, Result<Members, ProviderError>> {
        self.look().boxed()
    }

    fn grow(&self, to: u32) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.set_replicas(to).boxed()
    }

    fn claim<'a>(&'a self, id: &'a InstanceId, token: &'a Token) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.annotate(id, TOKEN, &token.0).boxed()
    }

    fn end<'a>(&'a self, ids: &'a [InstanceId], left: u32) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.remove(ids, left).boxed()
    }
}
