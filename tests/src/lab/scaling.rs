//! Capacity that follows load: an edge without targets of its own, which launches them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    Agent, AgentConfig, FlowConfig, Forwarding, HealthCheck, Instances, Lab, ListenerConfig, Options, VIP_V4,
    wait_until,
};

/// How long a change of the capacity may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A laboratory whose edge launches its targets.
#[derive(Debug)]
pub struct Scaling {
    // Dropped in this order: the agent, then what it runs in.
    /// The agent, unless a test took it away.
    pub agent: Option<Agent>,
    config: AgentConfig,
    text: String,
    /// The laboratory.
    pub lab: Lab,
}

impl Scaling {
    /// Where clients find the instances.
    pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(VIP_V4), 80);

    /// An edge with a listener for these instances, which drain for ten seconds.
    ///
    /// # Errors
    /// When a part does not start; the error has what it said.
    pub fn start(instances: &Instances) -> Result<Self> {
        Self::start_as(instances, |_| ())
    }

    /// The same with what `configure` changes of the agent's configuration.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_as(instances: &Instances, configure: impl FnOnce(&mut AgentConfig)) -> Result<Self> {
        let mut scaling = Self::prepare_as(instances, configure)?;
        scaling.start_agent()?;
        Ok(scaling)
    }

    /// The same, before an agent was ever started.
    ///
    /// # Errors
    /// When the laboratory can't be built.
    pub fn prepare(instances: &Instances) -> Result<Self> {
        Self::prepare_as(instances, |_| ())
    }

    fn prepare_as(instances: &Instances, configure: impl FnOnce(&mut AgentConfig)) -> Result<Self> {
        let options = Options { targets: 0, forwarding: Forwarding::NatSource, ..Options::default() };
        let lab = Lab::new(options)?;
        let mut config = AgentConfig::new(&lab);
        config.forwarding = options.forwarding;
        config.flows = FlowConfig { deregistration_delay: Some(Duration::from_secs(10)), ..FlowConfig::default() };
        configure(&mut config);
        let config = config.listener(ListenerConfig {
            name: "web".to_owned(),
            address: Self::SERVER.ip(),
            protocol: "tcp",
            port: Self::SERVER.port(),
            health: HealthCheck::Tcp(80),
            targets_v6: false,
            affinity: "flow",
            targets: 0,
        });
        let text = config.to_toml() + &instances.to_toml(&lab);
        Ok(Self { agent: None, config, text, lab })
    }

    /// Where the agent keeps what outlives it.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.config.state_dir
    }

    /// Gives the agent other settings of the instances, while it runs.
    ///
    /// # Errors
    /// When there is no agent.
    pub fn configure(&mut self, instances: &Instances) -> Result<()> {
        self.text = self.config.to_toml() + &instances.to_toml(&self.lab);
        let agent = self.agent.as_ref().context("no agent")?;
        agent.rewrite(&self.text)?;
        agent.hangup()
    }

    /// Starts an agent, after the one before was taken away.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn start_agent(&mut self) -> Result<()> {
        self.agent = Some(self.lab.start_launching_agent(&self.text, &self.config.socket)?);
        Ok(())
    }

    /// The agent is killed, and another one comes.
    ///
    /// # Errors
    /// When there is none, or the other does not start.
    pub fn replace_agent(&mut self) -> Result<()> {
        self.agent.take().context("no agent")?.kill9()?;
        self.start_agent()
    }

    /// What `nlb asg show` says of the group.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn group(&self) -> Result<Value> {
        self.asked("show")
    }

    /// What `nlb asg explain` says of the group.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn explained(&self) -> Result<Value> {
        self.asked("explain")
    }

    fn asked(&self, what: &str) -> Result<Value> {
        let said = self.lab.nlb(["asg", what, "web", "--json"])?.success()?;
        serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))
    }

    /// Waits until that many instances serve, and neither the agent nor the machine has others.
    ///
    /// # Errors
    /// When that takes longer than three minutes; the error has all that is known.
    pub fn wait_for(&self, count: usize) -> Result<()> {
        let serve = || {
            let group = self.group().ok()?;
            let in_service = usize::try_from(group["in_service"].as_u64()?).ok()?;
            let known = group["instances"].as_array()?.len();
            let running = self.lab.instances().ok()?;
            let whole = running.iter().all(|(_, pids)| pids.len() == 1);
            (in_service == count && known == count && running.len() == count && whole).then_some(())
        };
        let waited = wait_until(&format!("{count} instances serve"), PATIENCE, serve);
        waited.with_context(|| self.told())
    }

    /// What there is to know when something is not as it should be.
    #[must_use]
    pub fn told(&self) -> String {
        let asg = |what| self.lab.nlb(["asg", what, "web"]).map(|said| said.stdout).unwrap_or_default();
        let agent = self.agent.as_ref().map(Agent::log).unwrap_or_default();
        format!("{}\n{}\n{}\n{agent}", asg("show"), asg("explain"), asg("activity"))
    }
}
