//! What is in force, seen and taken back with or without a running agent.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ipnet::IpNet;
use serde::Serialize;

use super::findings::{Finding, findings};
use super::network::Network;
use super::settings::{TargetSettings, load};
use super::sysctl;
use crate::dataplane::{self, DataplaneError, KernelError};
use crate::model::XdpMode;

/// A target host as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether an agent runs. Packets are taken out of their tunnels without one.
    pub agent: bool,
    /// Where the program runs.
    pub attachments: Vec<Attached>,
    /// Whose tunnel packets are opened.
    pub edges: BTreeSet<IpNet>,
    /// The addresses that tunnels end at.
    pub tunnel_ends: BTreeSet<IpAddr>,
    /// The VIPs, and whether each is on `lo`.
    pub vips: Vec<Vip>,
    /// Tunnel packets to this host by what was done with them.
    pub outcomes: Vec<Outcome>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// An interface that runs the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Its name.
    pub interface: String,
    /// Where the program runs.
    pub mode: XdpMode,
    /// The kernel's id of the program.
    pub program_id: u32,
}

/// A VIP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Whether this host serves it.
    pub on_loopback: bool,
}

/// How many packets had an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// `decapsulated`, `unknown_edge`, …
    pub outcome: &'static str,
    /// Packets since the tables were made.
    pub packets: u64,
}

/// What [`detach`] took back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Interfaces that no longer run the program.
    pub interfaces: Vec<String>,
    /// Pins of links and maps.
    pub pins: Vec<PathBuf>,
    /// VIPs taken off `lo`, as sentences.
    pub addresses: Vec<String>,
    /// Kernel settings put back.
    pub sysctls: Vec<String>,
}

/// Looks at the host of the file at `config_path`; changes nothing.
///
/// # Errors
/// A configuration with mistakes, missing capabilities, or a kernel that can't be asked.
pub fn status(config_path: &Path) -> anyhow::Result<Status> {
    let settings = load(config_path)?;
    let tables = dataplane::target_tables(&settings.pin_path)?;
    let pinned = dataplane::status(&settings.pin_path)?;
    let observed = in_runtime(async { Ok(Network::open()?.0.observe().await?) })?;
    let mut found = findings(&settings, &observed);
    let attachments: Vec<Attached> = pinned
        .attachments
        .into_iter()
        .map(|attachment| Attached {
            interface: attachment.interface,
            mode: attachment.mode,
            program_id: attachment.program_id,
        })
        .collect();
    found.splice(0..0, unattached(&settings, &attachments));
    let on_loopback = |vip: &IpAddr| observed.interfaces.values().any(|i| i.loopback && i.addresses.contains(vip));
    let vips = settings.vips.iter().map(|vip| Vip { address: *vip, on_loopback: on_loopback(vip) }).collect();
    let tables = tables.unwrap_or_default();
    let outcomes = tables.outcomes.iter();
    Ok(Status {
        agent: pinned.held,
        attachments,
        edges: tables.edges,
        tunnel_ends: tables.tunnel_ends,
        vips,
        outcomes: outcomes.map(|&(outcome, packets)| Outcome { outcome: outcome.name(), packets }).collect(),
        findings: found,
    })
}

/// Takes back everything that the agent of the file at `config_path` set up: program, tables, VIPs, kernel settings.
///
/// # Errors
/// As for [`status`]; and while an agent runs, which would set it up again.
pub fn detach(config_path: &Path) -> anyhow::Result<Removed> {
    let settings = load(config_path)?;
    let removed = match dataplane::detach(&settings.pin_path) {
        Err(DataplaneError::Kernel(KernelError::InUse { .. })) => {
            anyhow::bail!("the target agent still runs: stop it first (`systemctl stop nlb-target-agent`)")
        }
        detached => detached?,
    };
    // The VIPs go before the settings that keep the host from answering ARP for them.
    let addresses = in_runtime(async { Ok(Network::open()?.0.set_vips(&BTreeSet::new()).await?) })?;
    let sysctls = sysctl::restore(&settings)?;
    Ok(Removed { interfaces: removed.interfaces, pins: removed.pins, addresses, sysctls })
}

fn unattached(settings: &TargetSettings, attachments: &[Attached]) -> Vec<Finding> {
    let missing = settings.interfaces.iter().filter(|name| attachments.iter().all(|found| found.interface != **name));
    let finding = |name: &String| Finding {
        severity: super::Severity::Silencing,
        what: format!("the program is not on `{name}`: tunnel packets that come in there are not opened"),
        mend: "start the target agent".to_owned(),
    };
    missing.map(finding).collect()
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(work)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agent        {}", if self.agent { "runs" } else { "does not run (the kernel works without it)" })?;
        for Attached { interface, mode, program_id } in &self.attachments {
            let mode = match mode {
                XdpMode::Native => "native",
                XdpMode::Generic => "generic",
            };
            writeln!(f, "program      on {interface}, {mode} mode, id {program_id}")?;
        }
        writeln!(f, "edges        {}", listed(&self.edges))?;
        writeln!(f, "tunnel ends  {}", listed(&self.tunnel_ends))?;
        for Vip { address, on_loopback } in &self.vips {
            writeln!(f, "VIP          {address}{}", if *on_loopback { "" } else { "  NOT on lo" })?;
        }
        for Outcome { outcome, packets } in &self.outcomes {
            writeln!(f, "{outcome:<12} {packets} packets")?;
        }
        for finding in &self.findings {
            writeln!(f, "! {}\n  {}", finding.what, finding.mend)?;
        }
        Ok(())
    }
}

fn listed<T: ToString>(items: &BTreeSet<T>) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for interface in &self.interfaces {
            writeln!(f, "detached from {interface}")?;
        }
        for pin in &self.pins {
            writeln!(f, "removed {}", pin.display())?;
        }
        for address in &self.addresses {
            writeln!(f, "{address}")?;
        }
        for sysctl in &self.sysctls {
            writeln!(f, "put back {sysctl}")?;
        }
        Ok(())
    }
}
