//! The target host's agent: has the kernel take packets out of the edges' tunnels, and the host serve the VIPs.
//!
//! ```text
//! settings ─┐                     ┌─▶ kernel settings (sysctl)
//!           ├─▶ agent: reconcile ─┼─▶ VIPs on lo (network)
//! observed ─┘        │            └─▶ tables and links of the program (dataplane)
//!                    └─▶ findings
//! ```
//! The kernel does the work, so the agent's end changes nothing: traffic goes on, and the next agent takes over what it
//! finds. [`detach`] takes everything back. `settings`, `findings` and `sockets` are pure.
//!
//! Order matters twice: a VIP stands on `lo` before packets for it come out of a tunnel, or the host would forward them;
//! and no VIP stands there while the host would answer ARP for it, or it would take the edge's place on the network.

mod agent;
mod findings;
mod neighbours;
mod network;
mod settings;
mod sockets;
mod status;
mod sysctl;

use std::path::Path;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use agent::{Command, TargetAgentError, serve};
pub use findings::{Finding, Fix, Interface, Observed, Severity, Sysctls, findings, fixes, tunnel_ends};
pub use network::NetworkError;
pub use settings::{TargetSettings, load, parse, reference};
pub use status::{Removed, Status, detach, status};
pub use sysctl::SysctlError;

/// Runs the target agent until it is told to end by SIGTERM or SIGINT. SIGHUP has it read its file again. What it set up
/// stays in force.
///
/// # Errors
/// A configuration with mistakes, or a start that failed. Later troubles are logged and tried again.
pub fn run(config_path: &Path) -> anyhow::Result<()> {
    let settings = load(config_path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let (sender, commands) = mpsc::channel(1);
        for (kind, command) in [
            (SignalKind::hangup(), Command::Reload),
            (SignalKind::terminate(), Command::Stop),
            (SignalKind::interrupt(), Command::Stop),
        ] {
            let mut signals = signal(kind).context("cannot listen to signals")?;
            let sender = sender.clone();
            tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(command).await.is_ok() {} });
        }
        Ok(serve(config_path, settings, commands).await?)
    })
}
