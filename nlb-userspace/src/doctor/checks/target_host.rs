//! The target host: what takes packets out of their tunnel, and who answers them.

use nlb_common::counters::DecapOutcome;

use super::super::{Finding, Severity, TargetHostFacts};
use crate::target_agent;

/// What an edge can't see.
pub(super) fn elsewhere() -> Finding {
    Finding::note(
        "target host",
        "whether targets take packets out of their tunnel and have the VIPs can't be seen from here",
        "on each target host: sudo nlb doctor",
    )
}

/// This is a target host, and can't be looked at.
pub(super) fn unseen(why: &str) -> Finding {
    Finding::fail("target host", why, "run this as root; nlb config check --target FILE")
}

/// From the tunnel to the stack.
pub(super) fn judge(target: &TargetHostFacts) -> Vec<Finding> {
    let mut findings = vec![program(target), edges(target)];
    findings.extend(target.vips.iter().map(|(vip, local)| {
        if *local {
            Finding::ok("VIP", format!("{vip} is an address of this host"))
        } else {
            Finding::fail(
                "VIP",
                format!("{vip} is no address of this host: the stack drops what comes out of the tunnel"),
                format!("restart nlb target-agent, which puts it on lo; by hand: ip address add {vip} dev lo"),
            )
        }
    }));
    if target.vips.is_empty() {
        findings.push(Finding::fail("VIP", "none is configured", "name them in the target agent's file"));
    }
    findings.extend(target.findings.iter().map(|found| {
        let severity = match found.severity {
            target_agent::Severity::Harmful | target_agent::Severity::Silencing => Severity::Fail,
            target_agent::Severity::Doubtful => Severity::Warn,
        };
        Finding::new(severity, "settings", found.what.clone(), found.mend.clone())
    }));
    findings.extend(target.outcomes.iter().map(|&(outcome, before, after)| self::outcome(outcome, before, after)));
    findings
}

fn program(target: &TargetHostFacts) -> Finding {
    if target.attached.is_empty() {
        Finding::fail(
            "decapsulation",
            "the program is attached to no interface: packets stay in their tunnel",
            "start nlb target-agent with the interfaces that the edges' packets come in by",
        )
    } else {
        Finding::ok("decapsulation", format!("attached to {}", target.attached.join(", ")))
    }
}

fn edges(target: &TargetHostFacts) -> Finding {
    if target.edges.is_empty() {
        Finding::fail(
            "decapsulation",
            "no edge is configured: everybody's tunnel packets are passed untouched",
            "name the edges' outer source addresses in `edges` of the target agent's file",
        )
    } else {
        Finding::ok("decapsulation", format!("takes tunnel packets of {}", target.edges.join(", ")))
    }
}

fn outcome(outcome: DecapOutcome, before: u64, after: u64) -> Finding {
    let grown = after.saturating_sub(before);
    match (outcome, after, grown) {
        (DecapOutcome::Decapsulated, 0, _) => Finding::note(
            "tunnel",
            "no packet has come out of a tunnel yet",
            "does an edge have this target, healthy and with a weight? does a firewall before it drop IP protocols 4 and 41, or UDP port 6080?",
        ),
        (DecapOutcome::Decapsulated, ..) => {
            Finding::ok("tunnel", format!("{after} packets taken out, {grown} in the last second"))
        }
        (DecapOutcome::UnknownEdge, _, 1..) => Finding::fail(
            "tunnel",
            format!(
                "{grown} tunnel packets in the last second from hosts that are no edge of `edges`: passed untouched"
            ),
            "is an edge's outer source missing in `edges`? on the edge: `nlb explain` shows it; tcpdump 'proto 4 or proto 41 or udp port 6080' here",
        ),
        (DecapOutcome::UnknownEdge, 1.., 0) => Finding::note(
            "tunnel",
            format!("{after} tunnel packets so far from hosts that are no edge of `edges`"),
            "if an edge was added: name its outer source in `edges`",
        ),
        (DecapOutcome::UnknownEdge, 0, 0) => Finding::ok("tunnel", "none from unknown hosts"),
        (DecapOutcome::Malformed, _, 1..) => Finding::fail(
            "tunnel",
            format!("{grown} tunnel packets in the last second with nothing well-formed inside: dropped"),
            "is the edge's nlb of the same version? does a device on the way change packets?",
        ),
        (DecapOutcome::Congestion, _, 1..) => Finding::warn(
            "tunnel",
            format!("{grown} tunnel packets in the last second dropped for congestion on the way (RFC 6040)"),
            "a router between edge and target is overloaded",
        ),
        (DecapOutcome::Congestion, ..) => Finding::ok("tunnel", "no congestion on the way in the last second"),
        (DecapOutcome::Malformed, ..) => Finding::ok("tunnel", "none malformed in the last second"),
        (DecapOutcome::SecondChance, ..) => Finding::ok(
            "second chance",
            format!("{after} packets sent on to another target, {grown} in the last second"),
        ),
        (DecapOutcome::SecondChanceWaits, _, 1..) => Finding::warn(
            "second chance",
            format!("{grown} packets in the last second dropped until the other target's MAC address is known"),
            "does nlb target-agent run here? is the other target up? ip neigh show",
        ),
        (DecapOutcome::SecondChanceWaits, ..) => {
            Finding::ok("second chance", "the way to other targets was known in the last second")
        }
        (DecapOutcome::SecondChanceLost, _, 1..) => Finding::warn(
            "second chance",
            format!("{grown} packets in the last second could not be sent on: their connections are reset here"),
            "sysctl -w net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1; ip route get ANOTHER_TARGET",
        ),
        (DecapOutcome::SecondChanceLost, ..) => Finding::ok("second chance", "none lost in the last second"),
    }
}
