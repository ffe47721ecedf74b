//! What the engine answers, as far as it is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::autoscale::model::{InstanceId, LaunchTemplate, Token};
use crate::model::Timestamp;
use crate::providers::{Provided, ProvidedState};

/// A container that was made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Created {
    pub(super) id: String,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    pub(super) message: String,
}

/// A container of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// `created`, `running`, `exited`, …
    state: String,
    /// The same for people: "Exited (1) 3 seconds ago".
    #[serde(default)]
    status: String,
    /// Seconds since 1970.
    #[serde(default)]
    created: u64,
    #[serde(default)]
    network_settings: Networks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Networks {
    #[serde(default)]
    networks: BTreeMap<String, Network>,
}

#[derive(Debug, Deserialize)]
struct Network {
    #[serde(rename = "IPAddress", default)]
    v4: String,
    #[serde(rename = "GlobalIPv6Address", default)]
    v6: String,
}

impl Container {
    /// One that was made just now.
    pub(super) fn created(id: String) -> Self {
        let (names, labels, status) = (Vec::new(), BTreeMap::new(), String::new());
        Self {
            id,
            names,
            labels,
            state: "created".to_owned(),
            status,
            created: 0,
            network_settings: Networks::default(),
        }
    }

    /// Whether it was never started.
    pub(super) fn is_new(&self) -> bool {
        self.state == "created"
    }

    /// Whether that is its name. The engine writes a slash before it.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.trim_start_matches('/') == name)
    }

    /// As an instance; `token` is the label that names its launch, `stopped` the ending of stopped ones' names.
    pub(super) fn provided(self, token: &str, stopped: &str, template: &LaunchTemplate) -> Provided {
        let is_stopped = self.names.iter().any(|name| name.ends_with(stopped));
        let state = match self.state.as_str() {
            "running" if is_stopped => ProvidedState::Stopped,
            "running" => ProvidedState::Running,
            "exited" | "stopped" | "paused" | "created" | "configured" | "initialized" if is_stopped => {
                ProvidedState::Stopped
            }
            "created" | "configured" | "initialized" | "restarting" => ProvidedState::Creating,
            "removing" | "stopping" => ProvidedState::Deleting,
            _ => ProvidedState::Failed { reason: format!("its container is {}: {}", self.state, self.status) },
        };
        let networks = self.network_settings.networks.into_values();
        let address =
            networks.flat_map(|network| [network.v4, network.v6]).find_map(|text| text.parse::<IpAddr>().ok());
        Provided {
            id: InstanceId(self.id),
            token: self.labels.get(token).cloned().map(Token),
            zone: None,
            address,
            port: (template.port != 0).then_some(template.port),
            state,
            launched: (self.created != 0).then(|| Timestamp::from_epoch(Duration::from_secs(self.created))),
        }
    }
}
