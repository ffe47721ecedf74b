//! Whichever way packets travel to their targets, clients get the same service: one table of modes, the same tests for each.

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    Arms, Forwarding, HealthCheck, Host, IperfServer, LineEcho, ListenerConfig, NginxOptions, Options, Service,
    UdpEcho, VIP_V4, VIP_V6, wait_until,
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
}

const IPIP: Mode = Mode { arms: Arms::One, forwarding: Forwarding::IpIp };
const GUE: Mode = Mode { arms: Arms::One, forwarding: Forwarding::Gue };
const L2: Mode = Mode { arms: Arms::Two, forwarding: Forwarding::L2 };
const NAT: Mode = Mode { arms: Arms::One, forwarding: Forwarding::Nat };
const NAT_TWO_ARMS: Mode = Mode { arms: Arms::Two, forwarding: Forwarding::Nat };
const NAT_SOURCE: Mode = Mode { arms: Arms::One, forwarding: Forwarding::NatSource };

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
}

/// Everything that a client may ask for, at both VIPs; a fourth target can be registered.
struct Scene {
    // Dropped in this order: the programs, then what they run in.
    _bulk: Vec<IperfServer>,
    _lines: Vec<LineEcho>,
    _datagrams: Vec<UdpEcho>,
    forwarding: Forwarding,
    service: Service,
}

fn family(vip: IpAddr) -> &'static str {
    if vip.is_ipv4() { "v4" } else { "v6" }
}

fn listeners(vip: IpAddr) -> impl Iterator<Item = ListenerConfig> {
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
        targets_v6: vip.is_ipv6(),
        affinity,
        targets: 3,
    })
}

impl Scene {
    fn new(Mode { arms, forwarding }: Mode) -> Result<Self> {
        let options = Options { arms, forwarding, targets: 4, ..Options::default() };
        let nginx = NginxOptions { file_bytes: 20_000_000, ..NginxOptions::default() };
        let service = Service::start(options, nginx, VIPS.into_iter().flat_map(listeners).collect())?;
        let hosts = || service.lab.targets();
        let translated = matches!(forwarding, Forwarding::Nat | Forwarding::NatSource);
        let datagrams = |host: &Host| {
            let own: [IpAddr; 2] = [host.v4().into(), host.v6().into()];
            let addresses = if translated { own } else { VIPS };
            addresses.map(|address| host.udp_echo((address, DATAGRAMS).into()))
        };
        Ok(Self {
            _bulk: hosts().map(Host::iperf_server).collect::<Result<_>>()?,
            _lines: hosts().map(|host| host.line_echo(LINES)).collect::<Result<_>>()?,
            _datagrams: hosts().flat_map(datagrams).collect::<Result<_>>()?,
            forwarding,
            service,
        })
    }

    fn serves(&self) -> Result<()> {
        for vip in VIPS {
            self.requests_are_answered(vip).with_context(|| format!("requests to {vip}"))?;
            self.files_travel_whole(vip).with_context(|| format!("files by {vip}"))?;
            self.bulk_flows_both_ways(vip).with_context(|| format!("bulk by {vip}"))?;
            self.datagrams_are_echoed(vip).with_context(|| format!("datagrams to {vip}"))?;
        }
        self.connections_outlive_changes_of_targets()
    }

    /// The address that a target sees as the client's.
    fn seen_as(&self, vip: IpAddr) -> IpAddr {
        let (lab, client) = (&self.service.lab, self.service.lab.client());
        match (self.forwarding, vip) {
            (Forwarding::NatSource, IpAddr::V4(_)) => lab.edge_source_v4().into(),
            (Forwarding::NatSource, IpAddr::V6(_)) => lab.edge_source_v6().into(),
            (_, IpAddr::V4(_)) => client.v4().into(),
            (_, IpAddr::V6(_)) => client.v6().into(),
        }
    }

    fn requests_are_answered(&self, vip: IpAddr) -> Result<()> {
        let tally = self.service.lab.client().requests(vip, 600, 20)?;
        ensure!(tally.failed.is_empty(), "{} failed: {:?}", tally.failed.len(), tally.failed.first());
        ensure!(tally.answered.len() == 3 && tally.answered.values().all(|count| count * 6 >= 600), "{tally:?}");
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
        let lab = &self.service.lab;
        let open = |vip: IpAddr| lab.client().flows(SocketAddr::new(vip, LINES), FLOWS);
        let flows = VIPS.into_iter().map(open).collect::<Result<Vec<_>>>()?;
        for (verb, host, more) in [
            ("drain", "t1", &[][..]),
            ("register", "t4", &[]),
            ("set-weight", "t2", &["10"]),
            ("undrain", "t1", &[]),
            ("deregister", "t3", &[]),
        ] {
            sleep(PAUSE);
            for vip in VIPS {
                self.change(verb, vip, host, more)?;
            }
        }
        sleep(PAUSE);
        for (flows, vip) in flows.into_iter().zip(VIPS) {
            let report = flows.stop();
            ensure!(report.broken_count() == 0, "at {vip}: {:#?}", report.broken);
            ensure!(report.opened.len() == 3, "at {vip} not all targets had connections: {:?}", report.opened);
            let fresh = lab.client().flows(SocketAddr::new(vip, LINES), FLOWS)?.stop();
            ensure!(fresh.opened.keys().eq(["t1", "t2", "t4"].iter()), "{vip}: {:?}", fresh.opened);
        }
        Ok(())
    }

    fn change(&self, verb: &str, vip: IpAddr, host: &str, more: &[&str]) -> Result<()> {
        let lab = &self.service.lab;
        let (group, host) = (format!("lines-{}", family(vip)), lab.host(host));
        let address: IpAddr = if vip.is_ipv4() { host.v4().into() } else { host.v6().into() };
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
