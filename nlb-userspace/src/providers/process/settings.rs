//! What a template says of server processes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::autoscale::model::LaunchTemplate;
use crate::providers::ProviderError;
use crate::providers::pool::Pool;
use crate::providers::settings::Settings;

/// Seconds that a server has to end by itself.
const STOP: u64 = 10;

/// The longest prefix of namespaces' names.
const LONGEST_PREFIX: usize = 64;

/// A template's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessSettings {
    /// Program and arguments, in which `{address}` and `{port}` stand for the instance's own.
    pub(super) command: Vec<String>,
    /// What the server's environment has besides the agent's.
    pub(super) environment: BTreeMap<String, String>,
    /// The bridge that instances are connected to.
    pub(super) bridge: String,
    /// The namespace that has the bridge; the agent's own when `None`.
    pub(super) bridge_namespace: Option<String>,
    /// Instances' addresses.
    pub(super) pool: Pool,
    /// The router of their network.
    pub(super) gateway: Option<IpAddr>,
    /// What instances' namespaces are called before their token.
    pub(super) prefix: String,
    /// How long a server that is told to end may take.
    pub(super) stop_timeout: Duration,
}

impl ProcessSettings {
    /// What `template` says.
    pub(super) fn of(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        let settings = Settings(template);
        settings.only(&[
            "addresses",
            "bridge",
            "bridge_namespace",
            "command",
            "environment",
            "gateway",
            "namespace_prefix",
            "stop_timeout",
        ])?;
        settings.serves_a_port("a process")?;
        let prefix = settings.text("namespace_prefix")?.unwrap_or("nlb-");
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(is_plain) {
            let right = format!("is {prefix:?}: give 1 to {LONGEST_PREFIX} letters, digits, `-` or `_`");
            return Err(settings.wrong("namespace_prefix", right));
        }
        Ok(Self {
            command: settings.command("command")?,
            environment: settings.texts("environment")?,
            bridge: settings.required("bridge", "br0")?.to_owned(),
            bridge_namespace: settings.text("bridge_namespace")?.map(str::to_owned),
            pool: settings.pool("addresses")?,
            gateway: settings.address("gateway")?,
            prefix: prefix.to_owned(),
            stop_timeout: settings.seconds("stop_timeout", STOP)?,
        })
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}
