//! The main job, all of it: servers and target agents on every target, the agent on the edge, everything in service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{
    Agent, AgentConfig, Appliance, Dns, Forwarding, HealthCheck, Lab, ListenerConfig, Nginx, NginxOptions, Options,
    TargetAgent, VIP_V4, VIP_V6, ensure_same, literal, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A laboratory whose VIPs answer.
#[derive(Debug)]
pub struct Service {
    // Dropped in this order: the programs, then what they run in.
    /// The agent, unless a test took it away.
    pub agent: Option<Agent>,
    /// The target agents, in the targets' order; none where packets go by appliances.
    pub target_agents: Vec<TargetAgent>,
    /// The appliances by host, where packets go by them.
    pub appliances: BTreeMap<String, Appliance>,
    /// nginx by target; a test takes one away to stop it.
    pub nginx: BTreeMap<String, Nginx>,
    /// The DNS servers, in the targets' order.
    pub dns: Vec<Dns>,
    /// The agent's configuration.
    pub config: AgentConfig,
    /// The laboratory.
    pub lab: Lab,
}

impl Service {
    /// Starts everything with the listeners that `listeners` gives, and waits until every target answers at every VIP
    /// that has a listener at port 80, and every appliance of a gateway is healthy.
    ///
    /// # Errors
    /// When a part does not start; the error has what it said.
    pub fn start(options: Options, nginx: NginxOptions, listeners: Vec<ListenerConfig>) -> Result<Self> {
        Self::start_as(options, nginx, |config, _| listeners.into_iter().fold(config, AgentConfig::listener))
    }

    /// The same with the configuration that `configure` makes of one without listeners, and of the laboratory.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_as(
        options: Options,
        nginx: NginxOptions,
        configure: impl FnOnce(AgentConfig, &Lab) -> AgentConfig,
    ) -> Result<Self> {
        let lab = Lab::new(options)?;
        let servers: Result<_> = lab.targets().map(|host| Ok((host.name().to_owned(), host.nginx(nginx)?))).collect();
        let dns = lab.targets().map(super::Host::dns).collect::<Result<_>>()?;
        let (mut target_agents, mut appliances) = Default::default();
        if options.forwarding == Forwarding::Geneve {
            lab.route_through_the_edge()?;
            appliances = lab.start_appliances()?;
        } else {
            target_agents = lab.start_target_agents(&[VIP_V4.into(), VIP_V6.into()])?;
        }
        let mut config = AgentConfig::new(&lab);
        config.forwarding = options.forwarding;
        let config = configure(config, &lab);
        let agent = Some(lab.start_agent(&config)?);
        let service = Self { agent, target_agents, appliances, nginx: servers?, dns, config, lab };
        for ListenerConfig { name, protocol, address, port, targets, .. } in &service.config.listeners {
            match (*protocol, port) {
                ("all", _) => service.lab.wait_for_healthy(name, *targets)?,
                (_, 80) => service.lab.wait_for_targets(*address, *targets)?,
                _ => {}
            }
        }
        Ok(service)
    }

    /// Downloads nginx's file by the VIP and uploads it again.
    ///
    /// # Errors
    /// When it does not arrive whole, or not at exactly one target.
    pub fn transfer(&self, vip: IpAddr) -> Result<()> {
        let (client, vip) = (self.lab.client(), literal(vip));
        let here = client.dir().join("download");
        client.download(&format!("http://{vip}/file"), &here)?;
        ensure_same(&self.nginx["t1"].file(), &here)?;
        client.upload(&here, &format!("http://{vip}/upload/back"))?;
        // Whichever target the connection went to has it.
        let uploaded = self.nginx.values().map(|nginx| nginx.uploaded("back"));
        let arrived: Vec<_> = uploaded.filter(|path| path.exists()).collect();
        ensure!(arrived.len() == 1, "one upload arrived at {arrived:?}");
        ensure_same(&arrived[0], &here)?;
        Ok(std::fs::remove_file(&arrived[0])?)
    }

    /// Sends and receives that many megabytes by the VIP, whose listener takes iperf3's connections to one of `servers`.
    ///
    /// # Errors
    /// When less than all of it arrives.
    pub fn bulk(&self, vip: IpAddr, megabytes: u32) -> Result<()> {
        for reverse in [false, true] {
            let report = self.lab.client().iperf(vip, megabytes, reverse)?;
            ensure!(report.bytes_sent >= u64::from(megabytes) << 20 && report.bytes_received > 0, "{vip}: {report:?}");
        }
        Ok(())
    }
}

impl Lab {
    /// Waits until that many targets answer HTTP at a VIP, and no request fails.
    ///
    /// # Errors
    /// When that takes longer than half a minute; the error has what was seen last.
    pub fn wait_for_targets(&self, vip: IpAddr, targets: usize) -> Result<()> {
        let mut last = None;
        let settled = wait_until(&format!("{targets} targets answer at {vip}"), PATIENCE, || {
            let tally = self.client().requests(vip, 40, 10);
            let fine = tally.as_ref().is_ok_and(|tally| tally.failed.is_empty() && tally.answered.len() == targets);
            last = Some(tally);
            fine.then_some(())
        });
        settled.with_context(|| match last {
            Some(Ok(tally)) => format!("last: {:?}, failed: {:?}", tally.answered, tally.failed.first()),
            Some(Err(error)) => format!("{error:#}"),
            None => String::new(),
        })
    }

    /// Waits until that many targets of a group, and no others, are healthy.
    ///
    /// # Errors
    /// When that takes longer than half a minute.
    pub fn wait_for_healthy(&self, group: &str, targets: usize) -> Result<()> {
        let healthy = || {
            let list = self.nlb(["target", "list", group]).ok()?.stdout;
            (list.matches(" healthy").count() == targets).then_some(())
        };
        Ok(wait_until(&format!("{targets} targets of {group} are healthy"), PATIENCE, healthy)?)
    }
}

/// The listeners of the main job: web and DNS at both VIPs, on three targets of the VIP's family.
#[must_use]
pub fn web_and_dns() -> Vec<ListenerConfig> {
    let families: [(&str, IpAddr); 2] = [("v4", VIP_V4.into()), ("v6", VIP_V6.into())];
    let services = [("web", "tcp", 80, HealthCheck::Http(80)), ("dns", "udp", 53, HealthCheck::Tcp(53))];
    families
        .into_iter()
        .flat_map(|(family, address)| {
            services.map(|(name, protocol, port, health)| ListenerConfig {
                name: format!("{name}-{family}"),
                address,
                protocol,
                port,
                health,
                targets_v6: address.is_ipv6(),
                affinity: "flow",
                targets: 3,
            })
        })
        .collect()
}
