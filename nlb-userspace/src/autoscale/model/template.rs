//! Launch templates: what an instance is made from.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::Name;

/// One version of what instances are launched from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// Which version this is. A change of anything below makes the next one.
    pub version: TemplateVersion,
    /// Who launches.
    pub provider: ProviderKind,
    /// The port that instances serve; 0 leaves it to the provider to say.
    pub port: u16,
    /// What the provider needs to know: checked by it, opaque to the engine.
    pub settings: Map<String, Value>,
}

/// A template's name and version: 1, 2, 3, …
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// The template.
    pub name: Name,
    /// Its version.
    pub version: u32,
}

impl fmt::Display for TemplateVersion {
    /// `web:3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

/// What launches instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Server processes in network namespaces of this host.
    Process,
    /// Transient units of systemd.
    Systemd,
    /// A command of the user's: JSON in, JSON out.
    Exec,
    /// A service of the user's: JSON over HTTP.
    Webhook,
    /// Docker or Podman.
    Docker,
    /// The scale subresource of a Kubernetes workload.
    Kubernetes,
    /// An EC2 Auto Scaling group.
    Ec2,
}

impl ProviderKind {
    /// Every kind, in the order of their documentation.
    pub const ALL: [Self; 7] =
        [Self::Process, Self::Systemd, Self::Exec, Self::Webhook, Self::Docker, Self::Kubernetes, Self::Ec2];

    /// Whether an instance of it can be stopped, and started again sooner than another one is launched.
    pub const fn stops(self) -> bool {
        !matches!(self, Self::Systemd | Self::Kubernetes | Self::Ec2)
    }

    /// As it is written in a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Systemd => "systemd",
            Self::Exec => "exec",
            Self::Webhook => "webhook",
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
            Self::Ec2 => "ec2",
        }
    }
}
