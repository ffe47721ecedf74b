//! `[agent]`, `[agent.capacity]` and `[agent.prometheus]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::{LONGEST_PATH, name, within};
use crate::config::address::{Family, outer_source};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{AgentSettings, Capacity, InvalidHttpUrl, PrometheusServer, XdpMode};

/// Longest path of a Unix socket: `sun_path` of unix(7) with its end.
const LONGEST_SOCKET_PATH: usize = 107;
/// Longest interface name: `IFNAMSIZ` with its end.
const LONGEST_INTERFACE: usize = 15;
/// How long a Prometheus server may take: its answer has to be in before the shortest period of metrics is over.
const ANSWER: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(9);
/// How long it may take unless the file says otherwise.
const USUAL_ANSWER: Duration = Duration::from_secs(5);

/// Reads `[agent]`.
pub(in crate::config) fn agent(table: &Table<'_>) -> Result<AgentSettings, Reported> {
    let defaults = AgentSettings::default();
    let interfaces = table.require("interfaces").and_then(|value| interfaces(&value));
    let mode =
        table.optional("mode", |value| value.one_of(&[("native", XdpMode::Native), ("generic", XdpMode::Generic)]));
    let seed = table.optional("seed", |value| seed(&value));
    let zone = table.optional("zone", name);
    let source_v4 = table.optional("source_v4", |value| value.parsed(|text| outer_source(text, Family::V4)));
    let source_v6 = table.optional("source_v6", |value| value.parsed(|text| outer_source(text, Family::V6)));
    let drop_foreign_tunnels = table.optional("drop_foreign_tunnels", |value| value.boolean());
    let socket = table.optional("socket", |value| value.path(LONGEST_SOCKET_PATH));
    let metrics = table.optional("metrics", |value| value.socket_address());
    let pin_path = table.optional("pin_path", |value| value.path(LONGEST_PATH));
    let state_dir = table.optional("state_dir", |value| value.path(LONGEST_PATH));
    let capacity = table.table("capacity").and_then(|table| table.map(|table| capacity(&table)).transpose());
    let prometheus = table.table("prometheus").and_then(|table| table.map(|table| prometheus(&table)).transpose());

    Ok(AgentSettings {
        interfaces: interfaces?,
        mode: mode?.unwrap_or(defaults.mode),
        seed: seed?,
        zone: zone?.map(Spanned::into_inner),
        source_v4: source_v4?.map(Spanned::into_inner),
        source_v6: source_v6?.map(Spanned::into_inner),
        drop_foreign_tunnels: drop_foreign_tunnels?.unwrap_or(defaults.drop_foreign_tunnels),
        socket: socket?.unwrap_or(defaults.socket),
        metrics: metrics?,
        prometheus: prometheus?,
        pin_path: pin_path?.unwrap_or(defaults.pin_path),
        state_dir: state_dir?.unwrap_or(defaults.state_dir),
        capacity: capacity?.unwrap_or_default(),
    })
}

/// Names of interfaces, each once, at least one.
pub(in crate::config) fn interfaces(value: &Value<'_>) -> Result<Vec<String>, Reported> {
    let items = value.list()?;
    if items.is_empty() {
        return Err(
            value.wrong(Complaint::new("is empty").help("name the interfaces that clients' packets come in by"))
        );
    }
    let mut names = Vec::with_capacity(items.len());
    let mut wrong = None;
    for item in &items {
        match item.parsed(|text| interface(text, &names)) {
            Ok(name) => names.push(name.into_inner()),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(names), Err)
}

fn interface(text: &str, before: &[String]) -> Result<String, Complaint> {
    if text.is_empty() {
        Err(Complaint::new("names an interface without letters"))
    } else if text.len() > LONGEST_INTERFACE {
        let complaint = Complaint::new(format!("names an interface of {} bytes: {text:?}", text.len()));
        Err(complaint.help(format!("Linux allows {LONGEST_INTERFACE} at most: see `ip link`")))
    } else if matches!(text, "." | "..")
        || text.contains(|c: char| c.is_whitespace() || c.is_control() || "/:".contains(c))
    {
        Err(Complaint::new(format!("names no interface: {text:?}")).help("see `ip link`"))
    } else if before.iter().any(|name| name == text) {
        Err(Complaint::new(format!("names `{text}` twice")))
    } else {
        Ok(text.to_owned())
    }
}

/// A hexadecimal text (TOML's own numbers end at 2⁶³), or a number.
fn seed(value: &Value<'_>) -> Result<u64, Reported> {
    if value.as_integer().is_some() {
        return value.integer(0..=u64::MAX);
    }
    let seed = value.parsed(|text| {
        text.strip_prefix("0x")
            .filter(|digits| (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| {
                let help = "write `0x` and 1 to 16 hexadecimal digits, as `od -An -tx8 -N8 /dev/urandom` makes them";
                Complaint::new(format!("is no 64-bit number: {text:?}")).help(help)
            })
    })?;
    Ok(seed.into_inner())
}

fn prometheus(table: &Table<'_>) -> Result<PrometheusServer, Reported> {
    let url = table.require("url").and_then(|value| {
        value.parsed(|text| {
            text.parse().map_err(|error: InvalidHttpUrl| {
                let complaint = Complaint::new(format!("is no address of a server: {error}"));
                complaint.help("write it like \"http://127.0.0.1:9090\"")
            })
        })
    });
    let timeout = table.optional("timeout", |value| within(&value, ANSWER));
    let verify = table.optional("verify", |value| value.boolean());
    Ok(PrometheusServer {
        url: url?.into_inner(),
        timeout: timeout?.unwrap_or(USUAL_ANSWER),
        verify: verify?.unwrap_or(true),
    })
}

fn capacity(table: &Table<'_>) -> Result<Capacity, Reported> {
    let defaults = Capacity::default();
    let listeners = table.optional("listeners", |value| value.integer(1..=Capacity::MAX.listeners));
    let groups = table.optional("groups", |value| value.integer(1..=Capacity::MAX.groups));
    let targets = table.optional("targets", |value| value.integer(1..=Capacity::MAX.targets));
    let slots = table.optional("slots", |value| value.integer(Capacity::LEAST_SLOTS..=Capacity::MAX.slots));
    let half_open = table.optional("half_open", |value| value.integer(1..=Capacity::MAX.half_open));
    let flows = table.optional("flows", |value| value.integer(1..=Capacity::MAX.flows));
    let datagrams = table.optional("datagrams", |value| value.integer(1..=Capacity::MAX.datagrams));
    let fragments = table.optional("fragments", |value| value.integer(1..=Capacity::MAX.fragments));
    let sketches = table.optional("sketches", |value| value.integer(1..=Capacity::MAX.sketches));
    let networks = table.optional("networks", |value| value.integer(1..=Capacity::MAX.networks));
    let sources = table.optional("sources", |value| value.integer(1..=Capacity::MAX.sources));
    Ok(Capacity {
        listeners: listeners?.unwrap_or(defaults.listeners),
        groups: groups?.unwrap_or(defaults.groups),
        targets: targets?.unwrap_or(defaults.targets),
        slots: slots?.unwrap_or(defaults.slots),
        half_open: half_open?.unwrap_or(defaults.half_open),
        flows: flows?.unwrap_or(defaults.flows),
        datagrams: datagrams?.unwrap_or(defaults.datagrams),
        fragments: fragments?.unwrap_or(defaults.fragments),
        sketches: sketches?.unwrap_or(defaults.sketches),
        networks: networks?.unwrap_or(defaults.networks),
        sources: sources?.unwrap_or(defaults.sources),
    })
}
