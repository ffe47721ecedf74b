//! Reads this host and asks the agent. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use nlb_common::counters::DecapOutcome;

use super::facts::{EdgeFacts, Facts, HostFacts, InterfaceFacts, NoAgent, TargetHostFacts};
use crate::api::client::{Client, ClientError};
use crate::api::dto::Stats;
use crate::target_agent;

/// Between the two readings of counters.
const READING: Duration = Duration::from_secs(1);

/// Where BPF file systems are mounted by custom.
const BPFFS: &str = "/sys/fs/bpf";

/// Capabilities that the agent needs, with their bits (`linux/capability.h`).
const CAPABILITIES: [(&str, u64); 3] = [("CAP_NET_ADMIN", 1 << 12), ("CAP_PERFMON", 1 << 38), ("CAP_BPF", 1 << 39)];

/// Reads all facts; `target_config` is the file of this host's target agent, if it is a target host. Takes a second, in
/// which counters may grow.
pub async fn gather(client: &Client, client_mtu: u32, target_config: Option<&Path>) -> Facts {
    let target = async {
        match target_config {
            Some(file) => Some(target_host(file).await),
            None => None,
        }
    };
    let (edge, target) = tokio::join!(edge(client), target);
    Facts { host: host(), client_mtu, edge: edge.map(Box::new).map_err(|error| no_agent(&error)), target }
}

async fn target_host(config: &Path) -> Result<TargetHostFacts, String> {
    let before = target_status(config).await?;
    tokio::time::sleep(READING).await;
    let after = target_status(config).await?;
    let count = |status: &target_agent::Status, name| {
        status.outcomes.iter().find(|outcome| outcome.outcome == name).map_or(0, |outcome| outcome.packets)
    };
    let outcomes = DecapOutcome::ALL
        .iter()
        .map(|&outcome| (outcome, count(&before, outcome.name()), count(&after, outcome.name())));
    Ok(TargetHostFacts {
        attached: after.attachments.iter().map(|attached| attached.interface.clone()).collect(),
        edges: after.edges.iter().map(ToString::to_string).collect(),
        vips: after.vips.iter().map(|vip| (vip.address, vip.on_loopback)).collect(),
        outcomes: outcomes.collect(),
        findings: after.findings,
    })
}

/// The status has a runtime of its own, which can't run within this one.
async fn target_status(config: &Path) -> Result<target_agent::Status, String> {
    let config = config.to_owned();
    match tokio::task::spawn_blocking(move || target_agent::status(&config)).await {
        Ok(status) => status.map_err(|error| format!("{error:#}")),
        Err(ended) => Err(ended.to_string()),
    }
}

async fn edge(client: &Client) -> Result<EdgeFacts, ClientError> {
    let status = client.status().await?;
    let listeners = client.listeners().await?;
    let mut groups = Vec::new();
    for group in &status.target_groups {
        if let Ok(name) = group.name.parse() {
            groups.push(client.target_group(&name).await?);
        }
    }
    let counters = readings(client).await.map_err(|error| no_agent(&error));
    Ok(EdgeFacts { missing_capabilities: missing_capabilities(status.agent.pid), status, listeners, groups, counters })
}

async fn readings(client: &Client) -> Result<(Stats, Stats), ClientError> {
    let first = client.stats().await?;
    tokio::time::sleep(READING).await;
    Ok((first, client.stats().await?))
}

fn no_agent(error: &ClientError) -> NoAgent {
    NoAgent { what: error.to_string(), mend: error.mend() }
}

fn host() -> HostFacts {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    let mount = statfs(BPFFS).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC);
    HostFacts {
        kernel,
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        bpffs: mount,
        interfaces: interfaces(),
        addresses: addresses(),
    }
}

fn interfaces() -> BTreeMap<String, InterfaceFacts> {
    /// `IFF_UP` of `net_device.flags`.
    const UP: u32 = 1;
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let value = |file: &str| fs::read_to_string(entry.path().join(file)).ok().map(|text| text.trim().to_owned());
        let flags = value("flags").and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        Some((
            entry.file_name().into_string().ok()?,
            InterfaceFacts {
                up: flags.is_some_and(|flags| flags & UP != 0),
                carrier: value("carrier").is_some_and(|text| text == "1"),
                mtu: value("mtu")?.parse().ok()?,
            },
        ))
    };
    entries.filter_map(read).collect()
}

fn addresses() -> BTreeSet<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    interfaces.filter_map(address).collect()
}

/// What the process `pid` lacks, `None` when its status can't be read (another namespace, another host).
fn missing_capabilities(pid: u32) -> Option<Vec<&'static str>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let name = status.lines().find_map(|line| line.strip_prefix("Name:"))?.trim();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim();
    let effective = u64::from_str_radix(effective, 16).ok()?;
    (name == "nlb")
        .then(|| CAPABILITIES.iter().filter(|(_, bit)| effective & bit == 0).map(|(name, _)| *name).collect())
}
