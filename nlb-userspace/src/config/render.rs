//! A configuration as text: the canonical form, which reads as the same configuration.

mod autoscaling;

use std::fmt::{self, Write};

use super::duration;
use crate::model::{
    AgentSettings, Configuration, FlowSettings, Forwarding, HealthCheck, Listener, NewFlowLimit, Probe,
    PrometheusServer, Quic, RingKind, ServedBy, TargetGroup, Tracking, Vip, XdpMode,
};

/// `configuration` as TOML, every setting written out. Listeners and groups keep their order.
pub fn render(configuration: &Configuration) -> String {
    let mut out = String::new();
    write(&mut out, configuration).expect("a text takes whatever is written to it");
    out
}

fn write(out: &mut String, configuration: &Configuration) -> fmt::Result {
    agent(out, &configuration.agent)?;
    configuration.groups.iter().try_for_each(|group| target_group(out, group))?;
    configuration.listeners.iter().try_for_each(|listener| write_listener(out, listener))?;
    let write_vip =
        |vip: &Vip| writeln!(out, "\n[[vip]]\naddress = \"{}\"\nexclusive = {}", vip.address, vip.exclusive);
    configuration.vips.iter().try_for_each(write_vip)?;
    configuration.autoscaling_groups.iter().try_for_each(|group| autoscaling::autoscaling_group(out, group))
}

/// A TOML basic string.
fn quoted(text: impl fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn agent(out: &mut String, agent: &AgentSettings) -> fmt::Result {
    let interfaces: Vec<String> = agent.interfaces.iter().map(quoted).collect();
    let mode = match agent.mode {
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
    };
    writeln!(out, "[agent]\ninterfaces = [{}]\nmode = \"{mode}\"", interfaces.join(", "))?;
    if let Some(seed) = agent.seed {
        writeln!(out, "seed = \"0x{seed:016x}\"")?;
    }
    if let Some(zone) = &agent.zone {
        writeln!(out, "zone = {}", quoted(zone))?;
    }
    for (key, source) in [("source_v4", agent.source_v4), ("source_v6", agent.source_v6)] {
        match source {
            Some(net) if net.prefix_len() == net.max_prefix_len() => writeln!(out, "{key} = \"{}\"", net.addr())?,
            Some(net) => writeln!(out, "{key} = \"{net}\"")?,
            None => {}
        }
    }
    writeln!(out, "drop_foreign_tunnels = {}", agent.drop_foreign_tunnels)?;
    writeln!(out, "socket = {}", quoted(agent.socket.display()))?;
    if let Some(metrics) = agent.metrics {
        writeln!(out, "metrics = \"{metrics}\"")?;
    }
    writeln!(out, "pin_path = {}", quoted(agent.pin_path.display()))?;
    writeln!(out, "state_dir = {}", quoted(agent.state_dir.display()))?;

    let capacity = agent.capacity;
    writeln!(out, "\n[agent.capacity]\nlisteners = {}\ngroups = {}", capacity.listeners, capacity.groups)?;
    writeln!(out, "targets = {}\nslots = {}", capacity.targets, capacity.slots)?;
    writeln!(out, "half_open = {}\nflows = {}", capacity.half_open, capacity.flows)?;
    writeln!(out, "datagrams = {}\nfragments = {}", capacity.datagrams, capacity.fragments)?;
    writeln!(out, "sketches = {}\nnetworks = {}", capacity.sketches, capacity.networks)?;
    writeln!(out, "sources = {}", capacity.sources)?;
    let Some(PrometheusServer { url, timeout, verify }) = &agent.prometheus else { return Ok(()) };
    let timeout = duration::show(*timeout);
    writeln!(out, "\n[agent.prometheus]\nurl = {}\ntimeout = \"{timeout}\"\nverify = {verify}", quoted(url))
}

fn target_group(out: &mut String, group: &TargetGroup) -> fmt::Result {
    let forwarding = group.forwarding.name();
    let affinity = group.affinity.name();
    let ring = match group.ring {
        RingKind::Rendezvous => "rendezvous",
        RingKind::Maglev => "maglev",
    };
    writeln!(out, "\n[[target_group]]\nname = {}\nforwarding = \"{forwarding}\"", quoted(&group.name))?;
    writeln!(out, "source_nat = {}", group.forwarding == Forwarding::Nat { source: true })?;
    writeln!(out, "affinity = \"{affinity}\"\nring = \"{ring}\"\nring_size = {}", group.ring_size.get())?;
    writeln!(out, "cross_zone = {}", group.cross_zone)?;
    flow_settings(out, &group.flows)?;
    health_check(out, &group.health_check)?;
    for target in &group.targets {
        writeln!(out, "\n[[target_group.target]]\naddress = \"{}\"\nport = {}", target.address, target.port)?;
        if let Some(zone) = &target.zone {
            writeln!(out, "zone = {}", quoted(zone))?;
        }
        writeln!(out, "weight = {}", target.weight.get())?;
        if let Some(id) = &target.quic_server_id {
            writeln!(out, "quic_server_id = \"{id}\"")?;
        }
    }
    Ok(())
}

fn flow_settings(out: &mut String, flows: &FlowSettings) -> fmt::Result {
    if let Some(tracking) = flows.tracking {
        let tracking = match tracking {
            Tracking::Transition => "transition",
            Tracking::All => "all",
            Tracking::None => "none",
        };
        writeln!(out, "tracking = \"{tracking}\"")?;
    }
    if let Some(timeout) = flows.idle_timeout {
        writeln!(out, "idle_timeout = \"{}\"", duration::show(timeout))?;
    }
    writeln!(out, "deregistration_delay = \"{}\"", duration::show(flows.deregistration_delay))?;
    if let Some(termination) = flows.connection_termination {
        writeln!(out, "connection_termination = {termination}")?;
    }
    writeln!(out, "unhealthy_connection_termination = {}", flows.unhealthy_connection_termination)?;
    writeln!(out, "unhealthy_draining_interval = \"{}\"", duration::show(flows.unhealthy_draining_interval))?;
    writeln!(out, "slow_start = \"{}\"", duration::show(flows.slow_start))
}

fn health_check(out: &mut String, check: &HealthCheck) -> fmt::Result {
    writeln!(out, "\n[target_group.health_check]")?;
    match &check.probe {
        Probe::Tcp => writeln!(out, "kind = \"tcp\"")?,
        Probe::Http { tls, verify, path, host, codes, body } => {
            writeln!(out, "kind = \"{}\"\npath = {}", if *tls { "https" } else { "http" }, quoted(path))?;
            if let Some(host) = host {
                writeln!(out, "host = {}", quoted(host))?;
            }
            writeln!(out, "codes = \"{}\"", codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))?;
            if let Some(body) = body {
                writeln!(out, "body = {}", quoted(body))?;
            }
            if *tls {
                writeln!(out, "verify = {verify}")?;
            }
        }
    }
    if let Some(port) = check.port {
        writeln!(out, "port = {port}")?;
    }
    for (key, value) in
        [("interval", check.interval), ("fast_interval", check.fast_interval), ("timeout", check.timeout)]
    {
        writeln!(out, "{key} = \"{}\"", duration::show(value))?;
    }
    writeln!(out, "healthy_threshold = {}", check.healthy_threshold)?;
    writeln!(out, "unhealthy_threshold = {}", check.unhealthy_threshold)
}

fn write_listener(out: &mut String, listener: &Listener) -> fmt::Result {
    let Listener { name, address, prefix_length: _, protocol, ports, served_by, access, new_flows, quic } = listener;
    let address = listener.network().map_or_else(|| address.to_string(), |network| network.to_string());
    writeln!(out, "\n[[listener]]\nname = {}\naddress = \"{address}\"", quoted(name))?;
    let port = ports.only().map_or_else(|| quoted(ports), |port| port.to_string());
    writeln!(out, "protocol = \"{protocol}\"\nport = {port}")?;
    match served_by {
        ServedBy::Group(group) => writeln!(out, "target_group = {}", quoted(group))?,
        ServedBy::Shares(shares) => {
            let shares = shares.iter().map(quoted);
            writeln!(out, "target_groups = [{}]", shares.collect::<Vec<_>>().join(", "))?;
        }
    }
    for (key, networks) in [("allow", &access.allow), ("deny", &access.deny)] {
        if let Some(listed) = &networks.listed {
            let listed: Vec<String> = listed.iter().map(quoted).collect();
            writeln!(out, "{key} = [{}]", listed.join(", "))?;
        }
        if let Some(file) = &networks.file {
            writeln!(out, "{key}_file = {}", quoted(file.display()))?;
        }
    }
    if let Some(Quic { server_id_length, config_rotation }) = quic {
        let quic = format!("server_id_length = {server_id_length}\nconfig_rotation = {config_rotation}");
        writeln!(out, "\n[listener.quic]\n{quic}")?;
    }
    let Some(NewFlowLimit { rate, burst, prefix_v4, prefix_v6 }) = new_flows else { return Ok(()) };
    writeln!(out, "\n[listener.new_flows_per_source]\nrate = {rate}\nburst = {burst}")?;
    writeln!(out, "prefix_v4 = {prefix_v4}\nprefix_v6 = {prefix_v6}")
}
