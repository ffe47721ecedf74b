//! A client that writes an edge's address on its tunnels.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use etherparse::IpNumber;
use nlb_tests::lab::{
    Agent, AgentConfig, Arms, HealthCheck, Lab, ListenerConfig, Options, TargetAgent, UdpEcho, VIP_V4, VIP_V6,
    wait_until,
};
use nlb_tests::packets::reference::{frame, gue};
use nlb_tests::packets::{Described, Segment, translated};
use serde_json::Value;

const PORT: u16 = 7010;
const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP_V4), IpAddr::V6(VIP_V6)];
const PATIENCE: Duration = Duration::from_secs(30);
/// Packets of each kind.
const SENT: usize = 20;
/// Where the router sends what the client has for targets: another table than others use.
const TABLE: u8 = 78;

/// A client beyond a router, and an edge that has one leg among the targets. There is another edge whose tunnels targets
/// open too, and which is quiet.
struct Scene {
    // Dropped in this order: the programs, then what they run in.
    agent: Agent,
    servers: Vec<UdpEcho>,
    _target_agents: Vec<TargetAgent>,
    text: String,
    lab: Lab,
}

impl Scene {
    fn new() -> Result<Self> {
        let lab = Lab::new(Options { arms: Arms::Two, edges: 2, targets: 1, ..Options::default() })?;
        lab.route_by(&[lab.edge()])?;
        let target_agents = lab.start_target_agents(&VIPS)?;
        let target = lab.host("t1");
        let servers = VIPS.map(|vip| target.udp_echo((vip, PORT).into())).into_iter().collect::<Result<_>>()?;
        let listener = |address: IpAddr| ListenerConfig {
            name: if address.is_ipv4() { "v4" } else { "v6" }.to_owned(),
            address,
            protocol: "udp",
            port: PORT,
            // Nobody listens there: with all targets unhealthy, all get flows.
            health: HealthCheck::Tcp(PORT),
            targets_v6: address.is_ipv6(),
            affinity: "flow",
            targets: 1,
        };
        let config = VIPS.into_iter().fold(AgentConfig::new(&lab), |config, vip| config.listener(listener(vip)));
        let text = config.to_toml();
        let agent = lab.start_agent(&config)?;
        let scene = Self { agent, servers, _target_agents: target_agents, text, lab };
        for vip in VIPS {
            let answers = || scene.lab.client().udp_ask((vip, PORT).into(), b"hello").ok().map(drop);
            wait_until("the service answers", PATIENCE, answers)?;
        }
        Ok(scene)
    }

    /// Has the router send what comes from clients for targets by the edge, which hands it on.
    fn route_by_the_edge(&self, on: bool) -> Result<()> {
        let (edge, router) = (self.lab.edge(), self.lab.host("router"));
        edge.sysctl("net/ipv4/ip_forward", "1")?;
        edge.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let target = self.lab.host("t1");
        let ways: [(&str, IpAddr, IpAddr); 2] =
            [("-4", target.v4().into(), edge.v4().into()), ("-6", target.v6().into(), edge.v6().into())];
        for (family, target, hop) in ways {
            router.ip(&format!("{family} route replace {target} via {hop} table {TABLE}"))?;
            router.ip(&format!("{family} rule {} iif client lookup {TABLE}", if on { "add" } else { "del" }))?;
        }
        Ok(())
    }

    /// Datagrams that arrived inside spoofed tunnels or as they should.
    fn received(&self) -> u64 {
        self.servers.iter().map(UdpEcho::received).sum()
    }

    /// Sends tunnels of each kind from `source` (by family) to `destination`; how many.
    fn spoof(&self, sources: [IpAddr; 2], destination: IpAddr) -> Result<u64> {
        let family = usize::from(destination.is_ipv6());
        let (source, to) = (sources[family].to_string(), destination.to_string());
        let mut sent = 0;
        for vip in VIPS {
            let inner = translated::ip(&Described::new(vip, PORT, Segment::Udp), 0);
            let in_ip = if vip.is_ipv4() { IpNumber::IPV4 } else { IpNumber::IPV6 };
            let in_udp = [gue(50_000, None, &inner), inner.clone()].concat();
            for (protocol, payload) in [(in_ip, &inner), (IpNumber::UDP, &in_udp)] {
                let frame = frame(&[], &source, &to, 0, protocol, payload);
                for _ in 0..SENT {
                    self.lab.client().send_raw(destination, &frame[14..])?;
                    sent += 1;
                }
            }
        }
        Ok(sent)
    }

    /// How many tunnels the edge has dropped.
    fn dropped(&self) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.lab.nlb(["stats", "--json"])?.success()?)?;
        let drops = stats["drops"].as_array().context("no drops")?;
        let found = drops.iter().find(|drop| drop["reason"] == "foreign_tunnel");
        found.and_then(|drop| drop["packets"].as_u64()).with_context(|| format!("no `foreign_tunnel` in {stats}"))
    }

    /// What is sent after all that was sent before has arrived: then so has all of it that ever does.
    fn settled(&self) -> Result<u64> {
        for vip in VIPS {
            self.lab.client().udp_ask((vip, PORT).into(), b"after")?;
        }
        Ok(self.received())
    }

    /// The addresses of the quiet edge.
    fn edge_names(&self) -> [IpAddr; 2] {
        self.lab.edge_sources(self.lab.host("edge2"))
    }

    fn targets(&self) -> [IpAddr; 2] {
        let target = self.lab.host("t1");
        [target.v4().into(), target.v6().into()]
    }
}

#[test]
fn a_tunnel_under_an_edges_name_is_stopped_at_the_edge_and_at_a_border_that_checks_sources() -> Result<()> {
    let scene = Scene::new()?;
    let (edges, targets) = (scene.edge_names(), scene.targets());
    let router = scene.lab.host("router");

    // By the edge, to targets and to VIPs.
    scene.route_by_the_edge(true)?;
    let before = scene.settled()?;
    let mut sent = 0;
    for destination in targets.into_iter().chain(VIPS) {
        sent += scene.spoof(edges, destination)?;
    }
    let counted = || (scene.dropped().ok()? == sent).then_some(());
    wait_until("the edge has counted every tunnel", PATIENCE, counted)
        .with_context(|| format!("{:?} of {sent}", scene.dropped()))?;
    ensure!(scene.settled()? == before + 2, "a tunnel from outside was opened");

    // An edge that is told to let them pass is a router like any other.
    let text = scene.text.replacen("[agent]\n", "[agent]\ndrop_foreign_tunnels = false\n", 1);
    scene.agent.rewrite(&text)?;
    scene.lab.nlb(["reload"])?.success()?;
    opens_all(&scene, edges, "by an edge that lets tunnels pass")?;
    ensure!(scene.dropped()? == sent, "the edge goes on dropping them");

    // Past the edge: the allow list holds for whoever sends under his own name, and nothing for who doesn't.
    scene.route_by_the_edge(false)?;
    let client = scene.lab.client();
    let before = scene.settled()?;
    for destination in targets {
        scene.spoof([client.v4().into(), client.v6().into()], destination)?;
    }
    ensure!(scene.settled()? == before + 2, "a stranger's tunnel was opened");
    opens_all(&scene, edges, "past the edge, without a border")?;

    // The border: whatever comes from outside under an inside name is dropped.
    for (family, net) in [("-4", "10.3.0.0/24"), ("-6", "fd00:3::/64")] {
        router.ip(&format!("{family} rule add iif client from {net} blackhole"))?;
    }
    let before = scene.settled()?;
    for destination in targets {
        scene.spoof(edges, destination)?;
    }
    ensure!(scene.settled()? == before + 2, "a tunnel passed the border");
    Ok(())
}

/// Every spoofed tunnel to a target is opened there: nothing on the way or at the target can tell it from an edge's.
fn opens_all(scene: &Scene, edges: [IpAddr; 2], situation: &str) -> Result<()> {
    for destination in scene.targets() {
        let before = scene.settled()?;
        let sent = scene.spoof(edges, destination)?;
        let arrived = || (scene.received() >= before + sent).then_some(());
        wait_until(&format!("spoofed tunnels to {destination} are opened {situation}"), PATIENCE, arrived)
            .with_context(|| format!("{} of {sent}", scene.received() - before))?;
    }
    Ok(())
}
