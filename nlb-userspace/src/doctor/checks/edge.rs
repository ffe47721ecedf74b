//! The agent, its program on the interfaces, and what the counters say.

use nlb_common::drop_reason::DropReason;

use super::super::{EdgeFacts, Finding, HostFacts};
use crate::api::dto::{InterfaceStatus, XdpMode};

/// From the agent to the program.
pub(super) fn judge(edge: &EdgeFacts, host: &HostFacts) -> Vec<Finding> {
    let status = &edge.status;
    let mut findings =
        vec![Finding::ok("agent", format!("nlb {} answers, pid {}", status.agent.version, status.agent.pid))];
    if let Some(missing) = edge.missing_capabilities.as_ref().filter(|missing| !missing.is_empty()) {
        findings.push(Finding::fail(
            "agent",
            format!("it lacks {}", missing.join(", ")),
            "run it as root, or with AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON in its unit",
        ));
    }
    if let Some(failure) = &status.config.reload_failure {
        findings.push(Finding::warn(
            "config",
            format!("the last reload failed, an older configuration is in force: {}", failure.reason),
            format!("nlb config check {} shows each problem", status.config.path),
        ));
    }
    findings.extend(status.interfaces.iter().flat_map(|interface| self::interface(interface, host)));
    if let Some(error) = &status.dataplane_error {
        findings.push(Finding::fail(
            "tables",
            format!("the kernel's tables are not what they should be: {error}"),
            "the agent tries again by itself; see its log: journalctl -u nlb-agent",
        ));
    }
    findings
}

fn interface(interface: &InterfaceStatus, host: &HostFacts) -> Vec<Finding> {
    let name = &interface.name;
    let link = match host.interfaces.get(name) {
        None => Finding::fail(
            "interface",
            format!("`{name}` is not on this host (or it is another network namespace's)"),
            "name one of `ip link` in `agent.interfaces`, or run this where the agent runs",
        ),
        Some(link) if !link.up => {
            Finding::fail("interface", format!("`{name}` is down"), format!("ip link set {name} up"))
        }
        Some(link) if !link.carrier => Finding::fail(
            "interface",
            format!("`{name}` has no carrier"),
            "check the cable or the other end: ip -d link show; for a veth, set its peer up",
        ),
        Some(link) => Finding::ok("interface", format!("`{name}` is up, MTU {}", link.mtu)),
    };
    let program = match interface.mode {
        Some(XdpMode::Native) => Finding::ok("program", format!("attached to `{name}` in native mode")),
        Some(XdpMode::Generic) => Finding::warn(
            "program",
            format!("attached to `{name}` in generic mode: a fraction of the speed"),
            "with a driver that has XDP, set `agent.mode = \"native\"` and restart the agent",
        ),
        None => Finding::fail(
            "program",
            format!("not attached to `{name}`: no packet is balanced there"),
            "see the agent's log for why; is another XDP program there? ip link show; then restart the agent",
        ),
    };
    vec![link, program]
}

/// What the counters say: packets that arrive, and drops that grow.
pub(super) fn counters(edge: &EdgeFacts) -> Vec<Finding> {
    let (first, second) = match &edge.counters {
        Ok((first, second)) => (first, second),
        Err(error) => {
            return vec![Finding::fail("counters", format!("can't be read: {}", error.what), error.mend.clone())];
        }
    };
    let mut findings = Vec::new();
    for listener in second.listeners.iter().filter(|listener| listener.traffic.packets == 0) {
        findings.push(Finding::note(
            "traffic",
            format!("no packet has reached listener `{}` yet", listener.listener),
            format!(
                "do the routers send {} to this edge, by an interface of `agent.interfaces`? tcpdump does not see \
                 what XDP takes: use `nlb trace --destination {}`",
                listener.address, listener.address
            ),
        ));
    }
    let mut quiet = true;
    for drop in &second.drops {
        let before = first.drops.iter().find(|before| before.reason == drop.reason);
        let grown = drop.packets.saturating_sub(before.map_or(0, |before| before.packets));
        if grown == 0 {
            continue;
        }
        quiet = false;
        let reason = DropReason::ALL.iter().copied().find(|reason| reason.name() == drop.reason);
        findings.push(Finding::fail(
            "drops",
            format!("{grown} packets dropped in the last second as `{}`: {}", drop.reason, drop.text),
            reason.map_or("see the log of an agent of the program's version", mend),
        ));
    }
    if quiet {
        findings.push(Finding::ok("drops", "none in the last second"));
    }
    findings
}

const fn mend(reason: DropReason) -> &'static str {
    match reason {
        DropReason::TruncatedLink
        | DropReason::TruncatedNetwork
        | DropReason::BadNetwork
        | DropReason::TruncatedTransport
        | DropReason::BadTransport
        | DropReason::BadFragment => {
            "somebody sends broken packets, or a device on the way breaks them: `nlb trace` shows from whom"
        }
        DropReason::ExtensionHeaders => "somebody sends IPv6 packets with endless headers: block them before the edge",
        DropReason::NoTarget => "register targets, or give one a weight above 0: see `nlb target list`",
        DropReason::NoNextHop => "see NEXT HOP of `nlb target list`",
        DropReason::TargetDrained => {
            "expected for UDP flows at the end of a target's draining: raise `deregistration_delay` if they need longer"
        }
        DropReason::TooLong => {
            "somebody sends packets near 64 KiB: is a virtual interface's GRO or LRO on? ethtool -K DEV gro off lro off"
        }
        DropReason::SourceDenied => {
            "expected for sources that a listener's `deny` or `allow` keeps out: `nlb explain` says which network does"
        }
        DropReason::NewFlowLimit => {
            "somebody floods a listener, or many clients share an address: raise `new_flows_per_source` if these are wanted"
        }
        DropReason::TooBig => {
            "somebody goes on sending packets that do not fit, or a firewall keeps ICMP from him: see MTU of `nlb doctor`"
        }
        DropReason::Refused => {
            "somebody looks for open ports, or a `[[listener]]` is missing: `nlb explain` says for which"
        }
        DropReason::NoHeadroom => {
            "the driver leaves no room before a packet: use `agent.mode = \"generic\"`, or another driver"
        }
        DropReason::NoPort => {
            "a target's ports on this edge are used up, or one client's port is in use with two VIPs: add targets, or an edge"
        }
        DropReason::HopLimit => "packets run in a circle, or come from very far: see `ip route get` of the targets",
        DropReason::EarlyFragment => {
            "first fragments are lost on the way, or routers spread a datagram's fragments over several edges: let them go by addresses alone"
        }
        DropReason::TranslatedFragment => {
            "new flows push out those whose datagrams are under way: raise `agent.capacity.half_open`, or limit new flows by `new_flows_per_source`"
        }
        DropReason::FirstDropped => "see the reason for which the first fragments were dropped",
        DropReason::OtherFamily => {
            "a target by `nat` has an address of another family than the listener's: set `source_nat = true`, or deregister it; \
             of error messages that only one family has, some are always dropped, and so are fragments of datagrams without checksum"
        }
        DropReason::BadTunnel => {
            "an appliance sends back other packets than it was given, or others send as if they were one: block UDP 6081 from outside"
        }
        DropReason::Congestion => "routers between appliances and this edge are congested",
        DropReason::ForeignTunnel => {
            "somebody pretends to be an edge: let no tunnel to targets or VIPs in at the network's border; if it is your own \
             and targets are behind this edge, set `agent.drop_foreign_tunnels = false`"
        }
    }
}
