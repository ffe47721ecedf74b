//! What an operator does and sees: explanations, runtime changes, traces, findings, metrics, the generic mode.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::{
    AgentConfig, Finished, Lab, NginxOptions, Options, Service, VIP_V4, VIP_V6, nlb_binary, wait_until, web_and_dns,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn service() -> Result<Service> {
    Service::start(Options::default(), NginxOptions::default(), web_and_dns())
}

/// The main job with another configuration of the agent.
fn service_as(adapt: impl FnOnce(&mut AgentConfig)) -> Result<Service> {
    Service::start_as(Options::default(), NginxOptions::default(), |mut config, _| {
        adapt(&mut config);
        web_and_dns().into_iter().fold(config, AgentConfig::listener)
    })
}

fn json(said: Finished) -> Result<Value> {
    let text = said.success()?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}

fn ensure_exit(said: &Finished, status: i32, words: &str) -> Result<()> {
    ensure!(said.status.code() == Some(status) && said.stderr.contains(words), "{said:?}");
    Ok(())
}

/// Series of an OpenMetrics text with their values.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.rsplit_once(' '));
    pairs.map(|(name, value)| (name, value.parse().unwrap_or(f64::NAN))).collect()
}

fn counted(service: &Service, name: &str, label: &str) -> Result<f64> {
    let text = service.lab.edge().check("curl", ["-s", "-f", "http://127.0.0.1:9099/metrics"])?;
    let series = series(&text);
    let wanted = series.iter().filter(|(series, _)| series.starts_with(name) && series.contains(label));
    Ok(wanted.map(|(_, value)| value).sum())
}

#[test]
fn explain_names_the_target_that_answers() -> Result<()> {
    let service = service()?;
    let lab = &service.lab;
    let client = lab.client().v4().to_string();
    // None that the kernel gives to connections by itself: one may be waiting for its end.
    for port in 20_000..20_020_u16 {
        let port = port.to_string();
        let url = format!("http://{VIP_V4}/");
        let answer = lab.client().check("curl", ["-s", "-f", "--local-port", port.as_str(), url.as_str()])?;
        let vip = VIP_V4.to_string();
        let explained = json(lab.nlb(["explain", &client, &port, &vip, "80", "tcp", "--json"])?)?;
        let target = explained["target"].as_str().unwrap_or_default();
        let named = lab.targets().find(|host| format!("{}:80", host.v4()) == target).context("no such target")?;
        ensure!(answer.starts_with(named.name()), "port {port}: {answer:?}, but explained: {explained}");
    }
    Ok(())
}

#[test]
fn runtime_changes_take_effect_and_survive_the_agent() -> Result<()> {
    let mut service = service()?;
    let lab = &service.lab;
    let third = format!("{}:80", lab.host("t3").v4());
    lab.nlb(["target", "deregister", "web-v4", &third])?.success()?;
    lab.wait_for_targets(VIP_V4.into(), 2)?;
    lab.wait_for_targets(VIP_V6.into(), 3).context("the other group has the same host")?;

    service.agent.take().context("no agent")?.kill9()?;
    service.agent = Some(lab.start_agent(&service.config)?);
    lab.wait_for_targets(VIP_V4.into(), 2).context("the deregistration was forgotten")?;

    lab.nlb(["target", "register", "web-v4", &third])?.success()?;
    lab.wait_for_targets(VIP_V4.into(), 3)?;
    lab.nlb(["target", "set-weight", "web-v4", &third, "0"])?.success()?;
    lab.wait_for_targets(VIP_V4.into(), 2)?;

    ensure_exit(&lab.nlb(["target", "register", "web-v5", &third])?, 1, "no target group `web-v5`")?;
    ensure_exit(&lab.nlb(["target", "register", "web-v4", &third])?, 1, "registered already")?;
    ensure_exit(&lab.nlb(["target", "set-weight", "web-v4", &third, "1000"])?, 2, "999")
}

#[test]
fn a_trace_shows_the_packets_of_a_flow_and_ends_with_its_reader() -> Result<()> {
    let service = service()?;
    let lab = &service.lab;
    for _ in 0..2 {
        let mut command = lab.edge().command(&nlb_binary()?.to_string_lossy())?;
        let vip = VIP_V4.to_string();
        command.args(["trace", "--destination", &vip, "--socket"]).arg(&service.config.socket);
        let mut trace = lab.edge().spawn("trace", command)?;
        // The second round shows that the first one's end reached the agent: there is one trace at a time.
        wait_until("the trace has lines", PATIENCE, || {
            drop(lab.client().requests(VIP_V4.into(), 1, 1));
            (trace.log().lines().count() > 3 || !trace.is_running()).then_some(())
        })?;
        let log = trace.log();
        ensure!(trace.is_running(), "the trace ended: {log}");
        ensure!(log.contains("listener") && log.contains("target"), "{log}");
        trace.stop()?;
        wait_until("the agent has ended the trace", PATIENCE, || {
            service.agent.as_ref()?.log().matches("the packet trace ends").count().gt(&0).then_some(())
        })?;
    }
    lab.wait_for_targets(VIP_V4.into(), 3)
}

#[test]
fn doctor_is_content_with_a_healthy_edge_and_names_a_target_that_fails() -> Result<()> {
    let mut service = service()?;
    let lab = &service.lab;
    let said = lab.nlb(["doctor"])?;
    ensure!(said.status.success(), "a healthy edge is complained about: {said:?}");

    service.nginx.remove("t2").context("no nginx on t2")?.stop()?;
    let target = lab.host("t2").v4().to_string();
    let finds = || {
        let said = lab.nlb(["doctor"]).ok()?;
        (said.status.code() == Some(1) && said.stdout.contains(&target)).then_some(())
    };
    wait_until("doctor names the target that fails", PATIENCE, finds)?;
    Ok(())
}

#[test]
fn metrics_count_what_was_forwarded() -> Result<()> {
    let service = service_as(|config| config.metrics = Some(9099))?;
    let web = "listener=\"web-v4\"";
    let before = counted(&service, "nlb_listener_new_flows_total", web)?;
    let tally = service.lab.client().requests(VIP_V4.into(), 50, 5)?;
    ensure!(tally.total() == 50, "{tally:?}");
    let flows = counted(&service, "nlb_listener_new_flows_total", web)? - before;
    ensure!(flows >= 1.0, "no flow was counted");
    let of_targets = counted(&service, "nlb_target_new_flows_total", "group=\"web-v4\"")?;
    ensure!((of_targets - before - flows).abs() < 0.5, "targets {of_targets}, listener {}", before + flows);
    ensure!(counted(&service, "nlb_listener_packets_total", web)? > flows, "fewer packets than flows");
    ensure!(counted(&service, "nlb_group_healthy_targets", "group=\"web-v4\"")? > 2.5, "not all are healthy");
    Ok(())
}

#[test]
fn the_generic_mode_balances_as_well() -> Result<()> {
    let service = service_as(|config| config.mode = "generic")?;
    let mode = |lab: &Lab| lab.edge().ip("-details link show dev eth0");
    ensure!(mode(&service.lab)?.contains("prog/xdp") && mode(&service.lab)?.contains("xdpgeneric"), "not generic");
    for vip in [VIP_V4.into(), VIP_V6.into()] {
        let tally = service.lab.client().requests(vip, 300, 10)?;
        ensure!(tally.failed.is_empty() && tally.answered.len() == 3, "{tally:?}");
    }
    Ok(())
}
