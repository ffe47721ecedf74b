//! The agent's task: brings the host to what the settings say, again whenever either changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, error, info, warn};

use super::findings::{Finding, Fix, Observed, Severity, findings, fixes, tunnel_ends};
use super::neighbours;
use super::network::{Network, NetworkError};
use super::settings::{TargetSettings, load};
use super::sysctl::{self, SysctlError};
use crate::dataplane::{DataplaneError, TargetHost};

/// How long changes of the network gather before they are acted upon.
const GATHER: Duration = Duration::from_millis(50);

/// How often the host is looked at without cause: nobody tells of changed kernel settings.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How often it is seen to that other targets' MAC addresses are known. A client that gets no answer waits 200 ms before it
/// sends again for the first time, and then twice as long each time.
const MEET: Duration = Duration::from_millis(100);

/// What the agent may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the file again.
    Reload,
    /// End; what was set up stays.
    Stop,
}

/// Why the agent can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum TargetAgentError {
    /// The program or its tables.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
    /// Interfaces and addresses.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Kernel settings.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The host would answer for the VIPs.
    #[error("this host would answer for the VIPs in the edge's place, so they are not put here:\n{}", list(findings))]
    Harmful {
        /// What makes it so.
        findings: Vec<Finding>,
    },
}

struct Agent {
    file: PathBuf,
    settings: TargetSettings,
    host: TargetHost,
    network: Network,
    /// What was told already: each thing is told when it comes and when it goes, not each time that it is seen.
    told: Vec<Finding>,
    trouble: Option<String>,
}

/// Runs the agent of the file at `config_path`, whose settings have been read, until it is told to stop or nobody can
/// tell it any more. Dropping the future does no more than that either.
///
/// # Errors
/// The start failed. Later troubles are logged and tried again.
pub async fn serve(
    config_path: &Path,
    settings: TargetSettings,
    mut commands: mpsc::Receiver<Command>,
) -> Result<(), TargetAgentError> {
    let (network, mut changes) = Network::open()?;
    let host = TargetHost::open(&settings.pin_path)?;
    let mut agent = Agent { file: config_path.to_owned(), settings, host, network, told: Vec::new(), trouble: None };
    agent.reconcile().await?;
    info!(interfaces = ?agent.settings.interfaces, vips = ?agent.settings.vips, "packets of the edges are taken out of their tunnels");
    let mut look_again = interval(LOOK_AGAIN);
    look_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look_again.reset();
    let mut meet = interval(MEET);
    meet.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Reload) => {
                    if agent.reload() {
                        due = Some(Instant::now());
                    }
                }
                Some(Command::Stop) | None => {
                    info!("the target agent ends; what it set up stays in force (`nlb detach --target` takes it back)");
                    return Ok(());
                }
            },
            change = changes.next() => {
                if change.is_none() {
                    warn!("netlink failed; changes of the network are seen every {} s", LOOK_AGAIN.as_secs());
                    (agent.network, changes) = Network::open()?;
                }
                due.get_or_insert_with(|| Instant::now() + GATHER);
            }
            _ = meet.tick() => agent.meet(),
            _ = look_again.tick() => due = Some(Instant::now()),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                agent.reconcile_or_tell().await;
            }
        }
    }
}

impl Agent {
    /// Reads the file again; whether its settings are to be put in force.
    fn reload(&mut self) -> bool {
        match load(&self.file) {
            Err(problems) => error!("the file is not used, and everything stays as it is:\n{problems}"),
            Ok(new) if new.pin_path != self.settings.pin_path || new.state_dir != self.settings.state_dir => {
                error!(
                    "`pin_path` and `state_dir` can't change in a running target agent: detach it, and start it anew"
                );
            }
            Ok(new) if new == self.settings => info!("the file says what is in force already"),
            Ok(new) => {
                info!("the file was read again");
                self.settings = new;
                return true;
            }
        }
        false
    }

    async fn reconcile_or_tell(&mut self) {
        let trouble = self.reconcile().await.err().map(|error| error.to_string());
        match &trouble {
            Some(trouble) if self.trouble.as_ref() != Some(trouble) => {
                error!("{trouble}; it is tried again every {} s", LOOK_AGAIN.as_secs());
            }
            None if self.trouble.is_some() => info!("everything is as it should be again"),
            _ => {}
        }
        self.trouble = trouble;
    }

    /// Brings the host to what the settings say. May be repeated at any time; what is right is left alone.
    async fn reconcile(&mut self) -> Result<(), TargetAgentError> {
        let mut observed = self.network.observe().await?;
        let fixes = fixes(&self.settings, &observed);
        if self.settings.fix_sysctls {
            sysctl::apply(&self.settings, &fixes)?;
        }
        let unfixed = self.settings.fix_sysctls.then(Vec::new).unwrap_or(fixes);
        let harmful: Vec<Finding> =
            unfixed.iter().filter(|fix| fix.severity == Severity::Harmful).map(Fix::finding).collect();
        if !harmful.is_empty() {
            return Err(TargetAgentError::Harmful { findings: harmful });
        }
        let changes = self.network.set_vips(&self.settings.vips).await?;
        for change in &changes {
            info!("{change}");
        }
        self.host.set_edges(&self.settings.edges)?;
        self.host.set_tunnel_ends(&tunnel_ends(&self.settings, &observed))?;
        self.host.attach(&self.settings.interfaces, self.settings.mode)?;
        if !changes.is_empty() || self.settings.fix_sysctls {
            observed = self.network.observe().await?;
        }
        self.tell(&observed);
        Ok(())
    }

    /// Makes the kernel look up the MAC addresses of other targets that packets are sent on to, or would be.
    fn meet(&mut self) {
        match self.host.take_second_targets() {
            Ok(addresses) => addresses.into_iter().for_each(neighbours::meet),
            Err(error) => debug!("{error}"),
        }
    }

    fn tell(&mut self, observed: &Observed) {
        let found = findings(&self.settings, observed);
        for finding in found.iter().filter(|finding| !self.told.contains(finding)) {
            match finding.severity {
                Severity::Doubtful => info!("{finding}"),
                Severity::Harmful | Severity::Silencing => warn!("{finding}"),
            }
        }
        for finding in self.told.iter().filter(|finding| !found.contains(finding)) {
            info!("no more: {}", finding.what);
        }
        self.told = found;
    }
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("- {finding}")).collect::<Vec<_>>().join("\n")
}
