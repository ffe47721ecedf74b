//! What a template says of containers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::autoscale::model::LaunchTemplate;
use crate::providers::settings::Settings;
use crate::providers::{Launch, ProviderError};

/// Where the engine's socket is unless the settings say otherwise.
const SOCKET: &str = "/run/docker.sock";

/// Seconds that a container has to end by itself.
const STOP: u64 = 10;

/// A template's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerSettings {
    pub(super) socket: PathBuf,
    pub(super) image: String,
    /// In place of the image's own.
    command: Option<Vec<String>>,
    environment: BTreeMap<String, String>,
    /// The network that the container's address is of.
    network: String,
    /// What containers are called before their token.
    pub(super) prefix: String,
    pub(super) stop_timeout: Duration,
}

impl ContainerSettings {
    /// What `template` says.
    pub(super) fn of(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        let settings = Settings(template);
        settings.only(&["socket", "image", "command", "environment", "network", "name_prefix", "stop_timeout"])?;
        let network = settings.text("network")?.unwrap_or("bridge");
        if matches!(network, "host" | "none") || network.starts_with("container:") {
            let problem = format!("is {network:?}, in which a container has no address of its own: name a bridge's");
            return Err(settings.wrong("network", problem));
        }
        let prefix = settings.text("name_prefix")?.unwrap_or("nlb-");
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if !prefix.starts_with(|first: char| first.is_ascii_alphanumeric()) || !prefix.chars().all(is_plain) {
            let problem =
                format!("is {prefix:?}: give letters, digits, `-`, `_` or `.`, beginning with a letter or digit");
            return Err(settings.wrong("name_prefix", problem));
        }
        Ok(Self {
            socket: settings.path("socket")?.unwrap_or_else(|| SOCKET.into()),
            image: settings.required("image", "registry.example.org/shop:1.4")?.to_owned(),
            command: settings.words("command")?,
            environment: settings.texts("environment")?,
            network: network.to_owned(),
            prefix: prefix.to_owned(),
            stop_timeout: settings.seconds("stop_timeout", STOP)?,
        })
    }

    /// The container of a launch, as the engine is asked for it.
    pub(super) fn container(&self, launch: &Launch, labels: &[(&str, &str)]) -> Value {
        let Launch { group, token, zone, template } = launch;
        let place = [
            ("NLB_GROUP", group.to_string()),
            ("NLB_INSTANCE", token.to_string()),
            ("NLB_PORT", template.port.to_string()),
            ("NLB_ZONE", zone.as_ref().map_or_else(String::new, ToString::to_string)),
        ];
        let own = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let environment: Vec<_> = own.chain(place.iter().map(|(name, value)| format!("{name}={value}"))).collect();
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        json!({
            "Image": self.image,
            "Cmd": self.command,
            "Env": environment,
            "Labels": labels,
            "HostConfig": { "NetworkMode": self.network },
        })
    }
}
