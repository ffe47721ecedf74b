//! Whichever way packets travel to their targets, clients get the same service: one table of modes, the same tests for each.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    AgentConfig, Arms, Forwarding, HealthCheck, Host, IperfServer, LineEcho, ListenerConfig, NginxOptions, Options,
    Service, UdpEcho, VIP_V4, VIP_V6, connections_by_appliance, wait_until,
};

const LINES: u16 = 7007;
const DATAGRAMS: u16 = 7;
/// Connections to each VIP while targets change.
const FLOWS: usize = 100;
/// Every connection says some lines meanwhile.
const PAUSE: Duration = Duration::from_millis(500);
const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP_V4), IpAddr::V6(VIP_V6)];

/// How packets travel.
#[derive(Debug, Clone, Copy)]
struct Mode {
    arms: Arms,
    forwarding: Forwarding,
    /// Are a VIP's targets of the other family?
    crossed: bool,
}

const IPIP: Mode = Mode { arms: Arms::One, forwarding: Forwarding::IpIp, crossed: false };
const GUE: Mode = Mode { arms: Arms::One, forwarding: Forwarding::Gue, crossed: false };
const L2: Mode = Mode { arms: Arms::Two, forwarding: Forwarding::L2, crossed: false };
const NAT: Mode = Mode { arms: Arms::One, forwarding: Forwarding::Nat, crossed: false };
const NAT_TWO_ARMS: Mode = Mode { arms: Arms::Two, forwarding: Forwarding::Nat, crossed: false };
const NAT_SOURCE: Mode = Mode { arms: Arms::One, forwarding: Forwarding::NatSource, crossed: false };
const NAT_CROSSED: Mode = Mode { crossed: true, ..NAT_SOURCE };
const GENEVE: Mode = Mode { arms: Arms::One, forwarding: Forwarding::Geneve, crossed: false };

macro_rules! modes {
    ($($test:ident: $mode:expr;)*) => {
        $(
            #[test]
            fn $test() -> Result<()> {
                Scene::new($mode)?.serves()
            }
        )*
    };
}

modes! {
    clients_are_served_by_ipip: IPIP;
    clients_are_served_by_gue: GUE;
    clients_are_served_by_l2: L2;
    clients_are_served_by_nat: NAT;
    clients_are_served_by_nat_between_two_segments: NAT_TWO_ARMS;
    clients_are_served_by_nat_from_the_edges_own_address: NAT_SOURCE;
    clients_are_served_by_nat_to_targets_of_the_other_family: NAT_CROSSED;
    clients_are_served_by_geneve_through_appliances: GENEVE;
}

/// Everything that a client may ask for, at both VIPs; a fourth target can be registered. By `geneve` the targets are appliances,
/// and a server behind them has the addresses that clients know.
struct Scene {
    // Dropped in this order: the programs, then what they run in.
    _bulk: Vec<IperfServer>,
    _lines: Vec<LineEcho>,
    _datagrams: Vec<UdpEcho>,
    forwarding: Forwarding,
    vips: [IpAddr; 2],
    crossed: bool,
    service: Service,
}

fn family(vip: IpAddr) -> &'static str {
    if vip.is_ipv4() { "v4" } else { "v6" }
}

fn listeners(vip: IpAddr, crossed: bool) -> impl Iterator<Item = ListenerConfig> {
    let services = [
        ("web", "tcp", 80, "flow"),
        ("lines", "tcp", LINES, "flow"),
        ("datagrams", "udp", DATAGRAMS, "flow"),
        // iperf3's two connections must meet at one target.
        ("bulk", "tcp", 5201, "source_ip"),
    ];
    services.into_iter().map(move |(name, protocol, port, affinity)| ListenerConfig {
        name: format!("{name}-{}", family(vip)),
        address: vip,
        protocol,
        port,
        health: HealthCheck::Tcp(80),
        targets_v6: vip.is_ipv6() != crossed,
        affinity,
        targets: 3,
    })
}

/// One for all that a client may ask the server for.
fn gateway(server: IpAddr) -> ListenerConfig {
    ListenerConfig {
        name: format!("gateway-{}", family(server)),
        address: server,
        protocol: "all",
        port: LINES,
        health: HealthCheck::Tcp(80),
        targets_v6: server.is_ipv6(),
        affinity: "flow",
        targets: 3,
    }
}

fn addresses(host: &Host) -> [IpAddr; 2] {
    [host.v4().into(), host.v6().into()]
}

impl Scene {
    fn new(Mode { arms, forwarding, crossed }: Mode) -> Result<Self> {
        let by_appliances = forwarding == Forwarding::Geneve;
        let options = Options { arms, forwarding, targets: if by_appliances { 5 } else { 4 }, ..Options::default() };
        let nginx = NginxOptions { file_bytes: 20_000_000, ..NginxOptions::default() };
        let service = Service::start_as(options, nginx, |config, lab| {
            let listeners: Vec<_> = if by_appliances {
                addresses(lab.server()).map(gateway).into()
            } else {
                VIPS.into_iter().flat_map(|vip| listeners(vip, crossed)).collect()
            };
            listeners.into_iter().fold(config, AgentConfig::listener)
        })?;
        let hosts = || service.lab.targets();
        let datagrams = |host: &Host| {
            let as_they_came = matches!(forwarding, Forwarding::IpIp | Forwarding::Gue | Forwarding::L2);
            let addresses = if as_they_came { VIPS } else { addresses(host) };
            addresses.map(|address| host.udp_echo((address, DATAGRAMS).into()))
        };
        Ok(Self {
            _bulk: hosts().map(Host::iperf_server).collect::<Result<_>>()?,
            _lines: hosts().map(|host| host.line_echo(LINES)).collect::<Result<_>>()?,
            _datagrams: hosts().flat_map(datagrams).collect::<Result<_>>()?,
            forwarding,
            vips: if by_appliances { addresses(service.lab.server()) } else { VIPS },
            crossed,
            service,
        })
    }

    fn serves(&self) -> Result<()> {
        for vip in self.vips {
            self.requests_are_answered(vip).with_context(|| format!("requests to {vip}"))?;
            self.files_travel_whole(vip).with_context(|| format!("files by {vip}"))?;
            self.bulk_flows_both_ways(vip).with_context(|| format!("bulk by {vip}"))?;
            self.datagrams_are_echoed(vip).with_context(|| format!("datagrams to {vip}"))?;
        }
        self.connections_outlive_changes_of_targets()
    }

    /// Whether a VIP's targets are reached by their IPv6 addresses.
    fn targets_v6(&self, vip: IpAddr) -> bool {
        vip.is_ipv6() != self.crossed
    }

    /// The address that a target sees as the client's.
    fn seen_as(&self, vip: IpAddr) -> IpAddr {
        let (lab, client) = (&self.service.lab, self.service.lab.client());
        match (self.forwarding, self.targets_v6(vip)) {
            (Forwarding::NatSource, false) => lab.edge_source_v4().into(),
            (Forwarding::NatSource, true) => lab.edge_source_v6().into(),
            (_, false) => client.v4().into(),
            (_, true) => client.v6().into(),
        }
    }

    /// How many connections each target had: servers say who they are in answers, appliances saw those to `server`, earlier ones too.
    fn by_target(&self, server: SocketAddr, answered: &BTreeMap<String, usize>) -> Result<BTreeMap<String, usize>> {
        match self.forwarding {
            Forwarding::Geneve => connections_by_appliance(&self.service.appliances, server),
            _ => Ok(answered.clone()),
        }
    }

    fn requests_are_answered(&self, vip: IpAddr) -> Result<()> {
        let tally = self.service.lab.client().requests(vip, 600, 20)?;
        ensure!(tally.failed.is_empty(), "{} failed: {:?}", tally.failed.len(), tally.failed.first());
        let connections = self.by_target((vip, 80).into(), &tally.answered)?;
        ensure!(connections.len() == 3 && connections.values().all(|count| count * 6 >= 600), "{connections:?}");
        ensure!(tally.clients == [(self.seen_as(vip).to_string(), 600)].into(), "{:?}", tally.clients);
        Ok(())
    }

    fn files_travel_whole(&self, vip: IpAddr) -> Result<()> {
        self.service.transfer(vip)
    }

    fn bulk_flows_both_ways(&self, vip: IpAddr) -> Result<()> {
        self.service.bulk(vip, 20)
    }

    fn datagrams_are_echoed(&self, vip: IpAddr) -> Result<()> {
        // Of all lengths, odd ones too, and some with nothing in them.
        for length in (0..1_400).step_by(47) {
            let payload = "x".repeat(length);
            let answer = self.service.lab.client().udp_ask((vip, DATAGRAMS).into(), payload.as_bytes())?;
            let (_, answer) = answer.split_once(' ').context("no target's name")?;
            ensure!(answer == format!("{} {payload}", self.seen_as(vip)), "{answer}");
        }
        Ok(())
    }

    fn connections_outlive_changes_of_targets(&self) -> Result<()> {
        let client = self.service.lab.client();
        let open = |vip: IpAddr| client.flows(SocketAddr::new(vip, LINES), FLOWS);
        let flows = self.vips.into_iter().map(open).collect::<Result<Vec<_>>>()?;
        for (verb, host, more) in [
            ("drain", "t1", &[][..]),
            ("register", "t4", &[]),
            // Half of what the others have: every fifth of the connections that begin then is its.
            ("set-weight", "t2", &["50"]),
            ("undrain", "t1", &[]),
            ("deregister", "t3", &[]),
        ] {
            sleep(PAUSE);
            for vip in self.vips {
                self.change(verb, vip, host, more)?;
            }
        }
        sleep(PAUSE);
        for (flows, vip) in flows.into_iter().zip(self.vips) {
            let server = SocketAddr::new(vip, LINES);
            let report = flows.stop();
            ensure!(report.broken_count() == 0, "at {vip}: {:#?}", report.broken);
            let before = self.by_target(server, &report.opened)?;
            ensure!(
                before.keys().eq(["t1", "t2", "t3"].iter()),
                "at {vip} not all targets had connections: {before:?}"
            );
            let fresh = client.flows(server, FLOWS)?.stop();
            let mut fresh = self.by_target(server, &fresh.opened)?;
            if self.forwarding == Forwarding::Geneve {
                fresh.retain(|target, count| before.get(target) != Some(count));
            }
            ensure!(fresh.keys().eq(["t1", "t2", "t4"].iter()), "{vip}: {fresh:?}");
        }
        Ok(())
    }

    fn change(&self, verb: &str, vip: IpAddr, host: &str, more: &[&str]) -> Result<()> {
        let lab = &self.service.lab;
        let service = if self.forwarding == Forwarding::Geneve { "gateway" } else { "lines" };
        let (group, host) = (format!("{service}-{}", family(vip)), lab.host(host));
        let address: IpAddr = if self.targets_v6(vip) { host.v6().into() } else { host.v4().into() };
        let target = SocketAddr::new(address, LINES).to_string();
        let arguments = ["target", verb, &group, &target].into_iter().chain(more.iter().copied());
        lab.nlb(arguments)?.success()?;
        if verb == "register" {
            wait_until("the new target is in service", Duration::from_secs(10), || {
                let list = lab.nlb(["target", "list", &group]).ok()?.stdout;
                list.lines().any(|line| line.contains(&target) && line.contains(" healthy")).then_some(())
            })?;
        }
        Ok(())
    }
}
