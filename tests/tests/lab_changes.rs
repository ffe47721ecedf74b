//! What happens while traffic flows: targets fail and return, the agent dies, the configuration changes.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    HealthCheck, ListenerConfig, NginxOptions, Options, Outcome, Service, VIP_V4, VIP_V6, ensure_same, wait_until,
    web_and_dns,
};

const WEB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(VIP_V4), 80);

fn service() -> Result<Service> {
    Service::start(Options::default(), NginxOptions::default(), web_and_dns())
}

fn ensure_none_failed(outcomes: &[Outcome]) -> Result<()> {
    let failed: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.answer.as_ref().err()).collect();
    ensure!(failed.is_empty(), "{} of {} failed, the first: {}", failed.len(), outcomes.len(), failed[0]);
    ensure!(!outcomes.is_empty(), "there were no requests");
    Ok(())
}

/// A listener that the main job does not have.
fn another_listener() -> ListenerConfig {
    ListenerConfig {
        name: "another".to_owned(),
        address: VIP_V4.into(),
        protocol: "tcp",
        port: 443,
        health: HealthCheck::Tcp(443),
        targets_v6: false,
        affinity: "flow",
        targets: 3,
    }
}

#[test]
fn no_request_fails_once_a_stopped_target_is_noticed_and_it_gets_requests_when_it_is_back() -> Result<()> {
    let mut service = service()?;
    let lab = &service.lab;
    let load = lab.client().load(WEB, 4)?;
    service.nginx.remove("t2").context("no nginx on t2")?.stop()?;
    let noticed = Instant::now() + service.config.health_time();
    sleep(service.config.health_time() + Duration::from_secs(1));
    let outcomes = load.stop();
    let after: Vec<_> = outcomes.into_iter().filter(|outcome| outcome.began > noticed).collect();
    ensure_none_failed(&after)?;
    ensure!(Outcome::per_target(&after).keys().eq(["t1", "t3"].iter()), "{:?}", Outcome::per_target(&after));
    let _nginx = lab.host("t2").nginx(NginxOptions::default())?;
    lab.wait_for_targets(VIP_V4.into(), 3)?;
    lab.wait_for_targets(VIP_V6.into(), 3)
}

#[test]
fn a_download_outlives_the_agent() -> Result<()> {
    let nginx = NginxOptions { file_bytes: 100_000_000, ..NginxOptions::default() };
    let mut service = Service::start(Options::default(), nginx, web_and_dns())?;
    let lab = &service.lab;
    let here = lab.client().dir().join("download");
    let mut download = lab.client().slow_download(&format!("http://{VIP_V4}/file"), &here, "20M")?;
    sleep(Duration::from_secs(1));
    service.agent.take().context("no agent")?.kill9()?;
    sleep(Duration::from_secs(1));
    ensure!(download.process.is_running(), "the download ended before the next agent came: {}", download.process.log());
    service.agent = Some(lab.start_agent(&service.config)?);
    let status = download.process.wait(Duration::from_secs(120))?;
    ensure!(status.success(), "{}", download.process.log());
    ensure_same(&service.nginx["t1"].file(), &here)
}

#[test]
fn no_request_fails_while_the_agent_is_killed_and_started_again_and_again() -> Result<()> {
    let mut service = service()?;
    let load = service.lab.client().load(WEB, 4)?;
    for _ in 0..3 {
        service.agent.take().context("no agent")?.kill9()?;
        sleep(Duration::from_millis(500));
        service.agent = Some(service.lab.start_agent(&service.config)?);
    }
    ensure_none_failed(&load.stop())
}

#[test]
fn a_reload_under_load_adds_a_listener_and_disturbs_no_other() -> Result<()> {
    let service = service()?;
    let (lab, agent) = (&service.lab, service.agent.as_ref().context("no agent")?);
    let https = format!("https://{VIP_V4}/");
    ensure!(lab.client().requests_to(&https, 1, 1)?.total() == 0, "the listener is there before it is configured");
    let load = lab.client().load(WEB, 4)?;
    agent.rewrite(&service.config.clone().listener(another_listener()).to_toml())?;
    agent.hangup()?;
    nlb_tests::lab::wait_until("the new listener answers", Duration::from_secs(30), || {
        let tally = lab.client().requests_to(&https, 40, 10).ok()?;
        (tally.failed.is_empty() && tally.answered.len() == 3).then_some(())
    })?;
    ensure_none_failed(&load.stop())
}

#[test]
fn a_bad_configuration_at_reload_changes_nothing() -> Result<()> {
    let mut service = service()?;
    let good = service.config.to_toml();
    let agent = service.agent.as_mut().context("no agent")?;
    for (what, bad) in [
        ("no TOML", format!("{good}\n[[[")),
        ("an unknown key", format!("{good}\nno_such_key = 1\n")),
        ("an address that is none", good.replace(&VIP_V4.to_string(), "192.0.2.256")),
        ("nothing", String::new()),
    ] {
        agent.rewrite(&bad)?;
        let load = service.lab.client().load(WEB, 2)?;
        agent.hangup()?;
        sleep(Duration::from_secs(1));
        ensure_none_failed(&load.stop()).with_context(|| format!("after {what}"))?;
        ensure!(agent.process().is_running(), "{what} ended the agent: {}", agent.log());
        let file = agent.file().to_string_lossy().into_owned();
        let check = service.lab.edge().check_configuration(&file)?;
        ensure!(check.status.code() == Some(1), "`nlb config check` with {what}: {check:?}");
        ensure!(check.stderr.contains(&file), "the complaint about {what} does not name the file: {}", check.stderr);
    }
    service.lab.wait_for_targets(VIP_V4.into(), 3)
}

#[test]
fn no_request_fails_when_the_next_agent_has_tables_of_another_size() -> Result<()> {
    let mut service = service()?;
    let smaller = service.config.to_toml().replace("[agent]\n", "[agent]\ncapacity = { slots = 1048576 }\n");
    let load = service.lab.client().load(WEB, 4)?;
    service.agent.take().context("no agent")?.stop()?;
    let agent = service.lab.start_agent_with(&smaller, &service.config.socket)?;
    wait_until("the new tables have taken over", Duration::from_secs(60), || {
        agent.log().contains("packets are balanced on").then_some(())
    })?;
    service.agent = Some(agent);
    sleep(Duration::from_secs(1));
    ensure_none_failed(&load.stop())
}

#[test]
fn detach_takes_the_balancer_off_the_host() -> Result<()> {
    let mut service = service()?;
    service.agent.take().context("no agent")?.stop()?;
    service.lab.wait_for_targets(VIP_V6.into(), 3).context("an agent that was stopped took its programs with it")?;
    let mut detach = service.lab.edge().command(&nlb_tests::lab::nlb_binary()?.to_string_lossy())?;
    detach.arg("detach").arg("--config").arg(service.lab.edge().dir().join("nlb.toml"));
    ensure!(detach.status()?.success(), "`nlb detach` failed");
    ensure!(!service.lab.pins().exists(), "pins are left");
    let links = service.lab.edge().ip("-details link show dev eth0")?;
    ensure!(!links.contains("prog/xdp"), "a program is left: {links}");
    ensure!(service.lab.client().requests(VIP_V4.into(), 1, 1)?.total() == 0, "the VIP answers still");
    Ok(())
}
