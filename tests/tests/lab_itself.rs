//! The laboratory holds what it promises, before anything of ours runs in it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{Arms, Host, Lab, NginxOptions, Options, Outcome, VIP_V4, VIP_V6, ensure_same, literal, sweep};

fn addresses(host: &Host) -> [IpAddr; 2] {
    [host.v4().into(), host.v6().into()]
}

fn ping(from: &Host, to: IpAddr, payload: u16) -> Result<bool> {
    let size = payload.to_string();
    let sent = from.run("ping", ["-n", "-c", "1", "-W", "1", "-M", "do", "-s", &size, &to.to_string()])?;
    Ok(sent.status.success())
}

#[test]
fn every_host_reaches_every_other_by_both_families() -> Result<()> {
    for arms in [Arms::One, Arms::Two] {
        let lab = Lab::new(Options { arms, targets: 2, ..Options::default() })?;
        for from in lab.hosts() {
            for to in lab.hosts().flat_map(addresses) {
                ensure!(ping(from, to, 56)?, "{arms:?}: {} does not reach {to}", from.name());
            }
        }
    }
    Ok(())
}

#[test]
fn the_inside_has_room_for_an_outer_header_around_a_clients_packet() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let target = lab.host("t1").v4().into();
    // 28 bytes of IPv4 and ICMP headers come on top.
    ensure!(ping(lab.edge(), target, 1600 - 28)?, "1600 bytes do not fit between edge and target");
    ensure!(ping(lab.client(), target, 1500 - 28)?, "1500 bytes do not fit between client and target");
    ensure!(!ping(lab.client(), target, 1501 - 28)?, "more than 1500 bytes left the client");
    Ok(())
}

#[test]
fn no_vip_answers_while_no_balancer_runs() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let _nginx = lab.host("t1").nginx(NginxOptions::default())?;
    for vip in [VIP_V4.into(), VIP_V6.into()] {
        ensure!(!ping(lab.client(), vip, 56)?, "{vip} answers to ping");
        let tally = lab.client().requests_to(&format!("http://{}/", literal(vip)), 1, 1)?;
        ensure!(tally.total() == 0 && tally.failed.len() == 1, "{vip} answers: {tally:?}");
    }
    Ok(())
}

#[test]
fn packets_for_a_vip_arrive_at_the_edge() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    lab.edge().ip(&format!("address add {VIP_V4}/32 dev lo"))?;
    lab.edge().ip(&format!("address add {VIP_V6}/128 dev lo"))?;
    for vip in [VIP_V4.into(), VIP_V6.into()] {
        ensure!(ping(lab.client(), vip, 56)?, "{vip} is not routed to the edge");
    }
    Ok(())
}

#[test]
fn a_target_names_itself_and_the_client_over_http_and_https() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let target = lab.host("t1");
    let _nginx = target.nginx(NginxOptions::default())?;
    for (server, client) in addresses(target).into_iter().zip(addresses(lab.client())) {
        for scheme in ["http", "https"] {
            let tally = lab.client().requests_to(&format!("{scheme}://{}/", literal(server)), 40, 10)?;
            ensure!(tally.failed.is_empty(), "{scheme} {server}: {:?}", tally.failed);
            ensure!(tally.answered == [("t1".to_owned(), 40)].into(), "{scheme} {server}: {tally:?}");
            ensure!(tally.clients == [(client.to_string(), 40)].into(), "{scheme} {server}: {tally:?}");
        }
    }
    Ok(())
}

#[test]
fn files_travel_whole_in_both_directions() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let nginx = lab.host("t1").nginx(NginxOptions { file_bytes: 5_000_000, ..NginxOptions::default() })?;
    let server = literal(lab.host("t1").v6().into());
    let here = lab.client().dir().join("file");
    lab.client().download(&format!("http://{server}/file"), &here)?;
    ensure_same(&nginx.file(), &here)?;
    lab.client().upload(&here, &format!("https://{server}/upload/back"))?;
    ensure_same(&nginx.uploaded("back"), &here)
}

#[test]
fn udp_dns_and_bulk_servers_answer() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let (client, target) = (lab.client(), lab.host("t1"));
    let _dns = target.dns()?;
    let _iperf = target.iperf_server()?;
    for (server, own) in addresses(target).into_iter().zip(addresses(client)) {
        let echo = target.udp_echo(SocketAddr::new(server, 7000))?;
        ensure!(client.udp_ask(SocketAddr::new(server, 7000), b"hello")? == format!("t1 {own} hello"));
        ensure!(echo.received() == 1);
        ensure!(client.dig(server)? == "t1");
        for reverse in [false, true] {
            let report = client.iperf(server, 2, reverse)?;
            ensure!(report.bytes_sent >= 2 * 1024 * 1024 && report.bytes_received > 0, "{report:?}");
        }
    }
    Ok(())
}

#[test]
fn load_reports_every_request_and_the_moment_a_server_goes() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let nginx = lab.host("t1").nginx(NginxOptions::default())?;
    let server = SocketAddr::new(lab.host("t1").v4().into(), 80);
    let load = lab.client().load(server, 2)?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    nginx.stop()?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let outcomes = load.stop();
    let answered = *Outcome::per_target(&outcomes).get("t1").context("nothing was answered")?;
    let first_failure = outcomes.iter().position(|outcome| outcome.answer.is_err()).context("nothing failed")?;
    ensure!(answered > 0 && first_failure > 0, "{answered} answered, the first failure is number {first_failure}");
    ensure!(outcomes[outcomes.len() - 1].answer.is_err(), "a stopped server answers");
    Ok(())
}

/// Namespaces, processes and files that carry a laboratory's id.
fn traces(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["/run/netns", "/run/nlb-lab", "/sys/fs/bpf"] {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.path().display().to_string());
        // "…-1-0" is no trace of "…-1".
        found.extend(
            names.filter(|name| name.split_once(id).is_some_and(|(_, rest)| !rest.starts_with(char::is_numeric))),
        );
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&format!("{id}/")) {
            found.push(command);
        }
    }
    found
}

#[test]
fn a_dropped_laboratory_leaves_nothing() -> Result<()> {
    let lab = Lab::new(Options { targets: 1, ..Options::default() })?;
    let _nginx = lab.host("t1").nginx(NginxOptions::default())?;
    let mut lost = lab.edge().command("sleep")?;
    // A process that no handle keeps: only the namespace tells whose it is.
    let mut lost = lost.arg("1000").spawn()?;
    let id = lab.id().to_owned();
    ensure!(traces(&id).iter().any(|trace| trace.contains("nginx")), "nginx is not seen: {:?}", traces(&id));
    drop(lab);
    ensure!(!lost.wait()?.success(), "the process was not ended");
    ensure!(traces(&id).is_empty(), "left: {:?}", traces(&id));
    Ok(())
}

/// Another process with a laboratory, and the id of that.
fn other_process(argument: &[&str]) -> Result<(Child, String)> {
    let mut other = Command::new(env!("CARGO_BIN_EXE_lab-hold"))
        .args(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut id = String::new();
    BufReader::new(other.stdout.take().context("no output")?).read_line(&mut id)?;
    let id = id.trim().to_owned();
    ensure!(!id.is_empty(), "the other process could not make a laboratory");
    Ok((other, id))
}

#[test]
fn a_panic_leaves_nothing() -> Result<()> {
    let (mut other, id) = other_process(&["panic"])?;
    ensure!(!other.wait()?.success(), "the other process did not panic");
    ensure!(traces(&id).is_empty(), "left: {:?}", traces(&id));
    Ok(())
}

#[test]
fn what_a_killed_run_leaves_is_swept_and_a_living_run_is_spared() -> Result<()> {
    let living = Lab::new(Options { targets: 1, ..Options::default() })?;
    let (mut other, id) = other_process(&[])?;
    sweep()?;
    ensure!(traces(&id).iter().any(|trace| trace.contains("nginx")), "a living run was swept: {:?}", traces(&id));
    other.kill()?;
    other.wait()?;
    ensure!(Path::new("/run/netns").join(format!("{id}-client")).exists(), "there is nothing to sweep");
    sweep()?;
    ensure!(traces(&id).is_empty(), "left: {:?}", traces(&id));
    ensure!(ping(living.client(), living.host("t1").v4().into(), 56)?, "the living laboratory suffered");
    Ok(())
}
