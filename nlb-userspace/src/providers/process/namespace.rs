//! An instance's network namespace, and its cable to the bridge. Made by `ip` and `ethtool`.

use std::net::IpAddr;

use nix::unistd::Pid;
use tokio::process::Command;
use xxhash_rust::xxh3::xxh3_64;

use super::settings::ProcessSettings;
use crate::autoscale::model::Token;
use crate::providers::ProviderError;

/// A namespace that there is or may be.
#[derive(Clone, Debug)]
pub(super) struct Namespace {
    name: String,
    /// The bridge's end of the cable: at most 15 letters, so it can't have the namespace's name.
    cable: String,
    /// The namespace of the bridge.
    bridge_namespace: Option<String>,
}

impl Namespace {
    /// That of the instance with this token.
    pub(super) fn of(settings: &ProcessSettings, token: &Token) -> Self {
        let name = format!("{}{token}", settings.prefix);
        let cable = format!("nlb{:011x}", xxh3_64(name.as_bytes()) >> 20);
        Self { name, cable, bridge_namespace: settings.bridge_namespace.clone() }
    }

    /// Its name, as `ip netns` lists it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes it, with the instance's address at the bridge.
    pub(super) async fn make(&self, settings: &ProcessSettings, address: IpAddr) -> Result<(), ProviderError> {
        let Self { name, cable, .. } = self;
        let prefix = settings.pool.prefix;
        ip(None, &format!("netns add {name}")).await?;
        self.at_bridge(&format!("link add {cable} type veth peer name eth0 netns {name}")).await?;
        self.at_bridge(&format!("link set {cable} master {} up", settings.bridge)).await?;
        // A veth leaves checksums to whoever receives, and what comes to an edge's program must have them.
        let offload = ["netns", "exec", name, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off"];
        run("ip", &offload).await?;
        for line in ["link set lo up", "link set eth0 up"] {
            ip(Some(name), line).await?;
        }
        // Detection of duplicates would keep the address from use for a second: the pool has each once.
        let detection = if address.is_ipv6() { " nodad" } else { "" };
        ip(Some(name), &format!("address add {address}/{prefix} dev eth0{detection}")).await?;
        match settings.gateway {
            Some(gateway) => ip(Some(name), &format!("route add default via {gateway}")).await.map(drop),
            None => Ok(()),
        }
    }

    /// Removes it, if it is there.
    pub(super) async fn remove(&self) -> Result<(), ProviderError> {
        if ip(None, "netns list").await?.lines().any(|line| line.split(' ').next() == Some(&self.name)) {
            ip(None, &format!("netns delete {}", self.name)).await?;
        }
        // The kernel takes a namespace apart in its own time, and the next cable has the same name.
        if self.at_bridge(&format!("link show dev {}", self.cable)).await.is_ok() {
            drop(self.at_bridge(&format!("link delete {}", self.cable)).await);
        }
        Ok(())
    }

    /// What runs in it.
    pub(super) async fn processes(&self) -> Vec<Pid> {
        // One that isn't there has none.
        let listed = ip(None, &format!("netns pids {}", self.name)).await.unwrap_or_default();
        listed.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
    }

    async fn at_bridge(&self, line: &str) -> Result<String, ProviderError> {
        ip(self.bridge_namespace.as_deref(), line).await
    }
}

/// Runs `ip` with the words of `line`, in a namespace.
async fn ip(namespace: Option<&str>, line: &str) -> Result<String, ProviderError> {
    let within = namespace.map_or(Vec::new(), |namespace| vec!["-n", namespace]);
    run("ip", &[within, line.split(' ').collect()].concat()).await
}

async fn run(program: &str, words: &[&str]) -> Result<String, ProviderError> {
    let failed = |reason: String| {
        let what = format!("{program} {}", words.join(" "));
        ProviderError::Unavailable { what, reason: reason.trim().to_owned() }
    };
    let output = Command::new(program).args(words).output().await.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
