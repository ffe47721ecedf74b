//! What the API server answers, as far as it is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::model::Timestamp;
use crate::providers::ProvidedState;

/// `autoscaling/v1` `Scale`.
#[derive(Debug, Deserialize)]
pub(super) struct Scale {
    #[serde(default)]
    pub(super) spec: ScaleSpec,
    #[serde(default)]
    pub(super) status: ScaleStatus,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ScaleSpec {
    /// Left out when it is 0.
    #[serde(default)]
    pub(super) replicas: u32,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ScaleStatus {
    /// Of the workload's pods, as lists of pods take it.
    #[serde(default)]
    pub(super) selector: String,
}

/// `v1` `PodList`.
#[derive(Debug, Deserialize)]
pub(super) struct Pods {
    pub(super) items: Vec<Pod>,
}

/// `v1` `Pod`.
#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// RFC 3339.
    creation_timestamp: Option<String>,
    /// Since when it is on its way out.
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    #[serde(default)]
    phase: String,
    #[serde(rename = "podIP", default)]
    address: String,
    /// `Evicted`, …
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl Pod {
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.status.address.parse().ok()
    }

    pub(super) fn created(&self) -> Option<Timestamp> {
        let created: jiff::Timestamp = self.metadata.creation_timestamp.as_ref()?.parse().ok()?;
        Some(Timestamp::from_epoch(created.as_duration().try_into().ok()?))
    }

    /// How it stands. Whether it is ready is the health checks' to find out.
    pub(super) fn state(&self) -> ProvidedState {
        let PodStatus { phase, reason, message, .. } = &self.status;
        match phase.as_str() {
            _ if self.metadata.deletion_timestamp.is_some() => ProvidedState::Deleting,
            "Running" => ProvidedState::Running,
            "Succeeded" | "Failed" => {
                let words = [phase, reason, message].into_iter().filter(|word| !word.is_empty());
                let words: Vec<_> = words.map(String::as_str).collect();
                ProvidedState::Failed { reason: format!("its pod: {}", words.join(": ")) }
            }
            _ => ProvidedState::Creating,
        }
    }
}

/// `v1` `Status`: what is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) message: String,
}
