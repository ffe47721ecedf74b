//! The `nlb` program on the laboratory's hosts: agent, target agents, command line.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::Lab;
use super::config::{AgentConfig, TargetAgentConfig};
use super::host::{Finished, Host};
use super::lease::BPFFS;
use super::process::Process;

/// What an agent may have of root's rights, in the words of setpriv(1); `packaging/` has the same list.
const CAPABILITIES: &str = "+bpf,+net_admin,+perfmon";
/// The same for one that launches instances as processes of its host: namespaces need more, and so do servers at port 80.
const CAPABILITIES_TO_LAUNCH: &str = "+bpf,+net_admin,+perfmon,+sys_admin,+net_bind_service";
const READY: Duration = Duration::from_secs(30);

/// The `nlb` program: the one that `NLB_BIN` names, or the one that was built beside the running test.
///
/// # Errors
/// When there is none.
pub fn nlb_binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("NLB_BIN") {
        return Ok(named.into());
    }
    let beside = beside("nlb")?;
    beside.context("there is no `nlb` beside the tests: `cargo build --bin nlb` first, or set NLB_BIN")
}

/// A program that was built beside the running test, if it was.
pub(super) fn beside(name: &str) -> Result<Option<PathBuf>> {
    let own = env::current_exe().context("cannot find the running program")?;
    // target/PROFILE/PROGRAM, or target/PROFILE/deps/TEST
    Ok(own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// A running agent on the edge.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    file: PathBuf,
}

impl Agent {
    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub fn kill9(mut self) -> Result<()> {
        self.process.kill9().map(drop)
    }

    /// Asks it to end; what it pinned stays.
    ///
    /// # Errors
    /// When it does not end in time, or says that it failed.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("the agent ended with {status}; it said:\n{}", self.process.log());
        }
        Ok(())
    }

    /// Replaces its configuration file; it does not know yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rewrite(&self, text: &str) -> Result<()> {
        fs::write(&self.file, text).context("cannot write the agent's configuration")
    }

    /// Tells it to read its configuration file again (SIGHUP).
    ///
    /// # Errors
    /// When it has ended.
    pub fn hangup(&self) -> Result<()> {
        self.process.signal(Signal::SIGHUP)
    }

    /// Its configuration file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// A running target agent.
#[derive(Debug)]
pub struct TargetAgent {
    process: Process,
}

impl TargetAgent {
    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Lab {
    /// Where the agents of this laboratory pin: a folder in bpffs that goes with it.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.pins_of(self.edge())
    }

    /// Where the agent of this edge pins.
    #[must_use]
    pub fn pins_of(&self, edge: &Host) -> PathBuf {
        let other = edge.name() != self.edge().name();
        Path::new(BPFFS).join(if other { format!("{}-{}", self.id(), edge.name()) } else { self.id().to_owned() })
    }

    /// Starts the agent on its edge with this configuration, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start_agent(&self, config: &AgentConfig) -> Result<Agent> {
        let program = config.program.clone().map_or_else(nlb_binary, Ok)?;
        start_edge(self.host(&config.edge), &program, &config.to_toml(), &config.socket, CAPABILITIES)
    }

    /// Starts the agent with a configuration as it stands.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start_agent_with(&self, text: &str, socket: &Path) -> Result<Agent> {
        start_edge(self.edge(), &nlb_binary()?, text, socket, CAPABILITIES)
    }

    /// Starts an agent that may launch instances as processes, with a configuration as it stands.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start_launching_agent(&self, text: &str, socket: &Path) -> Result<Agent> {
        start_edge(self.edge(), &nlb_binary()?, text, socket, CAPABILITIES_TO_LAUNCH)
    }

    /// Runs `nlb` on the edge against the agent there.
    ///
    /// # Errors
    /// When it cannot be run. How it ended is in the answer.
    pub fn nlb<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Finished> {
        self.nlb_on(self.edge(), arguments)
    }

    /// Runs `nlb` on this edge against the agent there.
    ///
    /// # Errors
    /// When it cannot be run. How it ended is in the answer.
    pub fn nlb_on<'a>(&self, edge: &Host, arguments: impl IntoIterator<Item = &'a str>) -> Result<Finished> {
        nlb(edge, &AgentConfig::for_edge(self, edge).socket, arguments)
    }

    /// Starts the target agent on a target host with this configuration, and waits until the VIPs are there.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start_target_agent(&self, host: &Host, config: &TargetAgentConfig) -> Result<TargetAgent> {
        mount_bpffs()?;
        let file = host.dir().join("nlb-target.toml");
        fs::write(&file, config.to_toml()).context("cannot write the target agent's configuration")?;
        let mut process = start(host, &nlb_binary()?, "target-agent", &file, CAPABILITIES)?;
        let serves = || {
            let addresses = host.ip("-oneline address show dev lo").unwrap_or_default();
            config.vips.iter().all(|vip| addresses.contains(&format!(" {vip}/")))
                && host.ip("-details link show").is_ok_and(|links| links.contains("prog/xdp"))
        };
        process.wait_ready(READY, serves)?;
        Ok(TargetAgent { process })
    }

    /// Starts a target agent for these VIPs on every target host.
    ///
    /// # Errors
    /// When one does not start; the error has what it said.
    pub fn start_target_agents(&self, vips: &[std::net::IpAddr]) -> Result<Vec<TargetAgent>> {
        let config = |host: &Host| TargetAgentConfig {
            interfaces: vec!["eth0".to_owned()],
            pin_path: Path::new(BPFFS).join(format!("{}-{}", self.id(), host.name())),
            state_dir: host.dir().join("state"),
            edges: self.edges().flat_map(|edge| self.edge_sources(edge)).collect(),
            vips: vips.to_vec(),
        };
        self.targets().map(|host| self.start_target_agent(host, &config(host))).collect()
    }
}

impl Host {
    /// Runs `nlb config check` on a file.
    ///
    /// # Errors
    /// When it cannot be run. How it ended is in the answer.
    pub fn check_configuration(&self, file: &str) -> Result<Finished> {
        self.run(&nlb_binary()?.to_string_lossy(), ["config", "check", file])
    }
}

fn start_edge(edge: &Host, program: &Path, text: &str, socket: &Path, capabilities: &str) -> Result<Agent> {
    mount_bpffs()?;
    let file = edge.dir().join("nlb.toml");
    fs::write(&file, text).context("cannot write the agent's configuration")?;
    let mut process = start(edge, program, "agent", &file, capabilities)?;
    let answers = || nlb(edge, socket, ["status"]).is_ok_and(|said| said.status.success());
    process.wait_ready(READY, answers)?;
    Ok(Agent { process, file })
}

/// Starts one of the agents with the capabilities that its systemd unit gives it, and no others.
fn start(host: &Host, program: &Path, role: &str, file: &Path, capabilities: &str) -> Result<Process> {
    let mut command = host.command("setpriv")?;
    command.arg(format!("--bounding-set=-all,{capabilities}")).arg(program);
    command.arg(role).arg("--config").arg(file);
    host.spawn(role, command)
}

fn nlb<'a>(host: &Host, socket: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<Finished> {
    let mut command = host.command(&nlb_binary()?.to_string_lossy())?;
    Finished::of(command.args(arguments).arg("--socket").arg(socket))
}

/// Pins are the laboratory's to remove, so it wants to see them: bpffs is mounted where it is not.
fn mount_bpffs() -> Result<()> {
    let mounted = statfs(BPFFS).with_context(|| format!("cannot look at {BPFFS}"))?.filesystem_type() == BPF_FS_MAGIC;
    if !mounted {
        mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount bpffs at {BPFFS}"))?;
    }
    Ok(())
}
