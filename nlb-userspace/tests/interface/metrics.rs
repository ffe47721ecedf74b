//! The Prometheus endpoint: what it says is OpenMetrics, complete, and of the present state only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nlb_userspace::health::{Observer as _, Outcome, ProbeError};
use nlb_userspace::metrics::server::Server;
use nlb_userspace::metrics::{HealthChecks, render};
use nlb_userspace::model::TargetKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::agent::Agent;
use crate::sample;

/// The text as series with their values, after a check of its form.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut types = BTreeMap::new();
    let mut series = BTreeMap::new();
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with # EOF");
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
        } else if !line.starts_with('#') {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let family = types.keys().find(|family| {
                let rest = name.strip_prefix(family.as_str());
                rest.is_some_and(|rest| matches!(rest, "" | "_total" | "_info" | "_bucket" | "_sum" | "_count"))
            });
            let family = family.unwrap_or_else(|| panic!("{name} is not declared"));
            assert_eq!(types[family] == "counter", name.ends_with("_total"), "{name}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}: not a number"));
            assert!(series.insert(key.to_owned(), value).is_none(), "{key} is there twice");
        }
    }
    series
}

fn checked(checks: &HealthChecks, group: &str, result: Result<Duration, ProbeError>) {
    let target = TargetKey { group: group.parse().unwrap(), address: [10, 0, 0, 1].into(), port: 80 };
    checks.checked(&target, &Outcome { result });
}

#[test]
fn counters_health_and_routing_are_there_with_their_labels() {
    let checks = HealthChecks::default();
    checked(&checks, "web", Ok(Duration::from_millis(3)));
    checked(&checks, "web", Err(ProbeError::ConnectionRefused));
    checked(&checks, "gone", Ok(Duration::from_millis(3)));
    let series = parse(&render(Arc::new(sample::snapshot()), Some(sample::reading()), &checks).unwrap());
    for (key, value) in [
        (r#"nlb_listener_packets_total{listener="web-http",protocol="tcp",address="192.0.2.10",port="80"}"#, 4_000.0),
        (r#"nlb_listener_bytes_total{listener="dns",protocol="udp",address="192.0.2.10",port="53"}"#, 3_000_000.0),
        (r#"nlb_target_new_flows_total{group="web",target="10.0.0.2:80",zone="b"}"#, 20.0),
        (r#"nlb_target_packets_total{group="web",target="[2001:db8:1::3]:80",zone=""}"#, 3_000.0),
        (r#"nlb_listener_active_flows{listener="web-http",protocol="tcp",address="192.0.2.10",port="80"}"#, 40_000.0),
        (r#"nlb_target_active_flows{group="web",target="10.0.0.2:80",zone="b"}"#, 10_000.0),
        (
            r#"nlb_listener_refused_total{listener="web-http",protocol="tcp",address="192.0.2.10",port="80",reason="source_denied"}"#,
            7.0,
        ),
        (r#"nlb_drops_total{reason="no_target"}"#, 12.0),
        (r#"nlb_drops_total{reason="no_headroom"}"#, 0.0),
        (r#"nlb_ways_total{outcome="echo"}"#, 7.0),
        (r#"nlb_quic_total{rule="server_id"}"#, 21.0),
        (r#"nlb_quic_total{rule="unknown_server"}"#, 24.0),
        (r#"nlb_flow_events_total{event="pinned"}"#, 2.0),
        (r#"nlb_slots_open{group="web"}"#, 90.0),
        (r#"nlb_pins{group="web"}"#, 1_234.0),
        (r#"nlb_target_draining{group="web",target="[2001:db8:1::3]:80"}"#, 1.0),
        (r#"nlb_target_draining{group="web",target="10.0.0.1:80"}"#, 0.0),
        (r#"nlb_target_health{group="web",target="10.0.0.2:80",state="unhealthy"}"#, 1.0),
        (r#"nlb_target_health{group="web",target="10.0.0.2:80",state="healthy"}"#, 0.0),
        (r#"nlb_target_reachable{group="dns",target="10.0.1.1:53"}"#, 0.0),
        (r#"nlb_group_healthy_targets{group="web"}"#, 2.0),
        (r#"nlb_group_unhealthy_targets{group="dns"}"#, 1.0),
        (r#"nlb_group_routing{group="dns",routing="fail_open"}"#, 1.0),
        (r#"nlb_group_routing{group="dns",routing="healthy"}"#, 0.0),
        (r#"nlb_ring_moved_slots{group="web"}"#, 90.0),
        (r#"nlb_health_checks_total{group="web",result="passed"}"#, 1.0),
        (r#"nlb_health_checks_total{group="web",result="failed"}"#, 1.0),
        (r#"nlb_health_check_duration_seconds_bucket{le="0.002",group="web"}"#, 0.0),
        (r#"nlb_health_check_duration_seconds_bucket{le="0.004",group="web"}"#, 1.0),
        (r#"nlb_health_check_duration_seconds_count{group="web"}"#, 1.0),
        (r#"nlb_program_attached{interface="eth0",mode="native"}"#, 1.0),
        (r#"nlb_program_attached{interface="eth1",mode="native"}"#, 0.0),
        ("nlb_config_last_reload_success", 1.0),
        ("nlb_config_last_reload_success_timestamp_seconds", 1_799_996_400.0),
        ("nlb_counters_readable", 1.0),
    ] {
        assert_eq!(series.get(key), Some(&value), "{key} in {series:#?}");
    }
    assert!(series.keys().any(|key| key.starts_with("nlb_build_info{version=")), "{series:#?}");
    for absent in [r#"nlb_listener_active_flows{listener="old""#, r#"nlb_target_active_flows{group="dns""#] {
        assert!(!series.keys().any(|key| key.starts_with(absent)), "an estimate that isn't known is no series");
    }
    assert!(!series.keys().any(|key| key.contains("gone")), "series of groups that are gone are gone");
}

#[test]
fn the_state_is_told_when_counters_cannot_be_read() {
    let series = parse(&render(Arc::new(sample::snapshot()), None, &HealthChecks::default()).unwrap());
    assert_eq!(series["nlb_counters_readable"], 0.0);
    let families: BTreeSet<_> = series.keys().map(|key| key.split('{').next().unwrap()).collect();
    assert!(families.contains("nlb_group_healthy_targets"));
    assert!(!families.contains("nlb_drops_total"), "an unknown counter is absent, not 0");
}

#[tokio::test]
async fn a_scrape_is_answered_over_tcp() {
    let agent = Agent::start();
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    tokio::spawn(server.serve(agent.handle.clone(), HealthChecks::default(), std::future::pending()));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.contains("nlb_drops_total{reason=\"no_target\"} 12"), "{answer}");
}

#[tokio::test]
async fn a_taken_address_is_named_with_its_mend() {
    let first = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = Server::bind(first.address()).await.unwrap_err().to_string();
    assert!(error.contains(&first.address().to_string()) && error.contains("agent.metrics"), "{error}");
}
