//! Control messages between real hosts and a VIP.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    AgentConfig, Forwarding, HealthCheck, Host, ListenerConfig, NginxOptions, Options, Service, VIP_V4, VIP_V6,
    ensure_same, literal, wait_until, web_and_dns,
};
use serde_json::Value;

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_vip_answers_to_ping_without_any_loss() -> Result<()> {
    let service = Service::start(Options::default(), NginxOptions::default(), web_and_dns())?;
    let client = service.lab.client();
    for vip in [VIP_V4.to_string(), VIP_V6.to_string()] {
        for payload in ["0", "56", "1400"] {
            let said = client.run("ping", ["-n", "-c", "20", "-i", "0.01", "-W", "2", "-s", payload, &vip])?.stdout;
            ensure!(said.contains(" 20 received, 0% packet loss"), "{vip} with {payload} bytes: {said}");
        }
    }
    Ok(())
}

/// Starts a service whose health checks outlast what it is put through: all its hosts share a few cores.
fn start_patient(options: Options, nginx: NginxOptions, listeners: Vec<ListenerConfig>) -> Result<Service> {
    Service::start_as(options, nginx, |mut config, _| {
        config.health_interval = Duration::from_secs(3);
        listeners.into_iter().fold(config, AgentConfig::listener)
    })
}

/// Options of a laboratory in which a client's longest packet leaves no room for an outer header.
fn narrow(forwarding: Forwarding) -> Options {
    Options { forwarding, inside_mtu: 1500, ..Options::default() }
}

/// How often that was done with rare packets, as the agent tells.
fn outcome(service: &Service, outcome: &str) -> Result<u64> {
    let stats: Value = serde_json::from_str(&service.lab.nlb(["stats", "--json"])?.success()?)?;
    let ways = stats["ways"].as_array().context("no ways")?;
    let counted = ways.iter().find(|way| way["outcome"] == outcome);
    counted.and_then(|way| way["packets"].as_u64()).with_context(|| format!("no `{outcome}` in {stats}"))
}

#[test]
fn large_files_travel_whole_where_the_path_to_the_targets_is_no_wider_than_the_clients() -> Result<()> {
    let nginx = NginxOptions { file_bytes: 100_000_000, ..NginxOptions::default() };
    for forwarding in [Forwarding::IpIp, Forwarding::Gue] {
        let service = start_patient(narrow(forwarding), nginx, web_and_dns())?;
        for vip in [VIP_V4.into(), VIP_V6.into()] {
            let told = outcome(&service, "too_big")?;
            service.transfer(vip)?;
            ensure!(outcome(&service, "too_big")? > told, "{forwarding:?} {vip}: nobody was told of a smaller MTU");
        }
    }
    Ok(())
}

#[test]
fn bulk_traffic_flows_both_ways_where_the_path_to_the_targets_is_no_wider_than_the_clients() -> Result<()> {
    let mut listeners = web_and_dns();
    listeners.extend([VIP_V4.into(), VIP_V6.into()].map(|address: IpAddr| ListenerConfig {
        name: format!("bulk-{}", if address.is_ipv4() { "v4" } else { "v6" }),
        address,
        protocol: "tcp",
        port: 5201,
        health: HealthCheck::Tcp(80),
        targets_v6: address.is_ipv6(),
        affinity: "source_ip",
        targets: 3,
    }));
    for forwarding in [Forwarding::IpIp, Forwarding::Gue] {
        let service = start_patient(narrow(forwarding), NginxOptions::default(), listeners.clone())?;
        let _servers = service.lab.targets().map(Host::iperf_server).collect::<Result<Vec<_>>>()?;
        for vip in [VIP_V4.into(), VIP_V6.into()] {
            service.bulk(vip, 100)?;
        }
    }
    Ok(())
}

#[test]
fn an_exclusive_vip_refuses_what_no_listener_takes_at_once() -> Result<()> {
    let service = Service::start(Options::default(), NginxOptions::default(), web_and_dns())?;
    let client = service.lab.client();
    let agent = service.agent.as_ref().context("the agent runs")?;
    let plain = std::fs::read_to_string(agent.file())?;
    let vips = [VIP_V4.to_string(), VIP_V6.to_string()];
    let exclusive: String =
        vips.iter().map(|vip| format!("\n[[vip]]\naddress = \"{vip}\"\nexclusive = true\n")).collect();
    agent.rewrite(&format!("{plain}{exclusive}"))?;
    service.lab.nlb(["reload"])?.success()?;
    for vip in [VIP_V4.into(), VIP_V6.into()] {
        let nobody = SocketAddr::new(vip, 7);
        let tcp = client.inside(|| TcpStream::connect_timeout(&nobody, PATIENCE).map(drop))?;
        let udp = client.inside(|| ask_by_udp(nobody))?;
        for said in [tcp, udp] {
            ensure!(said.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "{vip}: {said:?}");
        }
    }
    ensure!(outcome(&service, "reset")? > 0 && outcome(&service, "unreachable")? > 0, "nothing was counted");
    let tally = client.requests(VIP_V4.into(), 100, 10)?;
    ensure!(tally.failed.is_empty(), "{:?}", tally.failed);
    Ok(())
}

#[test]
fn a_download_learns_of_a_narrow_path_to_its_client_though_the_router_tells_the_vip() -> Result<()> {
    let nginx = NginxOptions { file_bytes: 10_000_000, ..NginxOptions::default() };
    for forwarding in [Forwarding::IpIp, Forwarding::Gue] {
        let service = Service::start(Options { forwarding, ..Options::default() }, nginx, web_and_dns())?;
        let (client, original) = (service.lab.client(), service.nginx["t1"].file());
        // The client doesn't know, and announces segments that don't fit.
        service.lab.host("router").ip("link set client mtu 1300")?;
        for vip in [VIP_V4.into(), VIP_V6.into()].map(literal) {
            let told = outcome(&service, "error")?;
            let here = client.dir().join("download");
            client.download(&format!("http://{vip}/file"), &here)?;
            ensure_same(&original, &here)?;
            ensure!(outcome(&service, "error")? > told, "{forwarding:?} {vip}: no target was told of the path");
        }
    }
    Ok(())
}

#[test]
fn a_flood_of_echo_requests_breaks_no_connection() -> Result<()> {
    const PORT: u16 = 7007;
    const REQUESTS: u32 = 100_000;
    let listener = ListenerConfig {
        name: "echo".to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port: PORT,
        health: HealthCheck::Tcp(PORT),
        targets_v6: false,
        affinity: "flow",
        targets: 3,
    };
    let mut listeners = web_and_dns();
    listeners.push(listener);
    let service = start_patient(Options::default(), NginxOptions::default(), listeners)?;
    let _servers = service.lab.targets().map(|host| host.line_echo(PORT)).collect::<Result<Vec<_>>>()?;
    let client = service.lab.client();
    let echo = SocketAddr::new(VIP_V4.into(), PORT);
    let all_healthy = || {
        let list = service.lab.nlb(["target", "list", "echo"]).ok()?.success().ok()?;
        (list.matches(" healthy").count() == 3).then_some(())
    };
    wait_until("all targets are healthy", 6 * PATIENCE, all_healthy)?;
    let flows = client.flows(echo, 200)?;
    let before = outcome(&service, "echo")?;
    for vip in [VIP_V4.to_string(), VIP_V6.to_string()] {
        client.run("ping", ["-n", "-q", "-f", "-c", &REQUESTS.to_string(), "-w", "20", &vip])?;
    }
    let answered = outcome(&service, "echo")? - before;
    let fresh = client.flows(echo, 10).context("after the flood")?.stop();
    let report = flows.stop();
    println!("{answered} echo requests answered; {} lines of {:?}", report.lines, report.opened);
    ensure!(answered > u64::from(REQUESTS) / 10, "{answered} requests were no flood");
    ensure!(report.broken_count() + fresh.broken_count() == 0, "broken: {:#?} {:#?}", report.broken, fresh.broken);
    Ok(())
}

/// Sends a word and waits for what comes back.
fn ask_by_udp(server: SocketAddr) -> std::io::Result<()> {
    let own: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((own, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(server)?;
    socket.send(b"hello")?;
    socket.recv(&mut [0; 64]).map(drop)
}
