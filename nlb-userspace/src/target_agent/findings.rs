//! What keeps traffic from this host, or lets it disturb its network: named, with its mend. Pure.
//!
//! Everything here can be read from `/proc` and netlink. A firewall's rules can't be judged from here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::settings::TargetSettings;
use crate::model::Forwarding;

/// What clients' packets may be as long as, on most networks.
const CLIENT_MTU: u32 = 1500;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Others suffer from it: this host would answer for a VIP in the edge's place.
    Harmful,
    /// Traffic does not arrive, or its answers don't leave.
    Silencing,
    /// It may be meant so.
    Doubtful,
}

/// One thing that is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do: a command where there is one.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.mend)
    }
}

/// Settings of the kernel below `/proc/sys/net`, for all interfaces together or for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sysctls {
    /// `ipv4/conf/…/rp_filter`.
    pub rp_filter: u32,
    /// `ipv4/conf/…/arp_ignore`.
    pub arp_ignore: u32,
    /// `ipv4/conf/…/arp_announce`.
    pub arp_announce: u32,
    /// `ipv6/conf/…/disable_ipv6`.
    pub disable_ipv6: bool,
    /// `ipv4/conf/…/forwarding`.
    pub forwarding_v4: bool,
    /// `ipv6/conf/…/forwarding`.
    pub forwarding_v6: bool,
}

/// An interface as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Switched on and with carrier.
    pub up: bool,
    /// MTU.
    pub mtu: u32,
    /// Whether it is `lo`, or another loopback.
    pub loopback: bool,
    /// Its kernel settings.
    pub sysctls: Sysctls,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// The host as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The kernel settings that hold for all interfaces.
    pub all: Sysctls,
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, Interface>,
    /// Addresses that a TCP or UDP socket listens on; unspecified ones stand for all of their family.
    pub listening: BTreeSet<IpAddr>,
}

/// A kernel setting that should be another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fix {
    /// Below `/proc/sys/net`, with slashes: `ipv4/conf/eth0/rp_filter`.
    pub key: String,
    /// The value that it should have.
    pub value: u32,
    pub(super) severity: Severity,
    why: String,
}

impl Fix {
    fn new(interface: &str, setting: &str, value: u32, severity: Severity, why: String) -> Self {
        Self { key: format!("ipv4/conf/{interface}/{setting}"), value, severity, why }
    }

    /// The line that sets it. sysctl(8) wants dots for slashes and slashes for an interface's dots.
    pub fn command(&self) -> String {
        let swapped = self.key.chars().map(|c| match c {
            '/' => '.',
            '.' => '/',
            other => other,
        });
        format!("sysctl -w net.{}={}", swapped.collect::<String>(), self.value)
    }

    pub(super) fn finding(&self) -> Finding {
        Finding {
            severity: self.severity,
            what: self.why.clone(),
            mend: format!("`{}`, or set `fix_sysctls = true`", self.command()),
        }
    }
}

/// The kernel settings of the tunnels' interfaces and of `lo` that should be others. The kernel takes the larger of an
/// interface's value and the one for all, so that no setting of others needs to be touched.
pub fn fixes(settings: &TargetSettings, host: &Observed) -> Vec<Fix> {
    let mut fixes = second_chance(settings, host);
    if !settings.vips.iter().any(IpAddr::is_ipv4) {
        return fixes;
    }
    for (name, interface) in configured(settings, host) {
        let now = &interface.sysctls;
        if host.all.rp_filter.max(now.rp_filter) == 1 {
            let why = format!(
                "`{name}` drops packets of clients whom this host would not answer by `{name}` (strict `rp_filter`)"
            );
            fixes.push(Fix::new(name, "rp_filter", 2, Severity::Silencing, why));
        }
        if host.all.arp_ignore.max(now.arp_ignore) == 0 {
            let why = format!("`{name}` would answer ARP for the VIPs, which are the edge's");
            fixes.push(Fix::new(name, "arp_ignore", 1, Severity::Harmful, why));
        }
        if host.all.arp_announce.max(now.arp_announce) < 2 {
            let why = format!(
                "`{name}` would ask for its neighbours in a VIP's name, so that they send the VIP's packets here"
            );
            fixes.push(Fix::new(name, "arp_announce", 2, Severity::Harmful, why));
        }
    }
    fixes
}

/// The program asks for the way to another target as this host's own packets would go, and the kernel answers only if `lo`
/// "forwards". No packet from elsewhere comes in by `lo`, so this makes no router of the host.
fn second_chance(settings: &TargetSettings, host: &Observed) -> Vec<Fix> {
    let Some((name, lo)) = host.interfaces.iter().find(|(_, interface)| interface.loopback) else { return Vec::new() };
    let families = [("ipv4", true, lo.sysctls.forwarding_v4), ("ipv6", false, lo.sysctls.forwarding_v6)];
    let off = families
        .into_iter()
        .filter(|&(_, v4, on)| !on && settings.edges.iter().any(|edge| edge.addr().is_ipv4() == v4));
    off.map(|(family, ..)| Fix {
        key: format!("{family}/conf/{name}/forwarding"),
        value: 1,
        severity: Severity::Doubtful,
        why: format!(
            "with `gue` edges, connections of other targets can't be sent on there ({family} forwarding of `{name}`)"
        ),
    })
    .collect()
}

/// Everything that is wrong, the worst first.
pub fn findings(settings: &TargetSettings, host: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = fixes(settings, host).iter().map(Fix::finding).collect();
    interfaces(settings, host, &mut found);
    addresses(settings, host, &mut found);
    for vip in settings.vips.iter().filter(|vip| !is_listened_on(**vip, host)) {
        found.push(Finding {
            severity: Severity::Doubtful,
            what: format!("no socket listens on the VIP {vip}"),
            mend: "start the service, and have it listen on the VIP or on all addresses (`ss -lntu`)".to_owned(),
        });
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn interfaces(settings: &TargetSettings, host: &Observed, found: &mut Vec<Finding>) {
    let mut add = |severity, what: String, mend: String| found.push(Finding { severity, what, mend });
    for name in settings.interfaces.iter().filter(|name| !host.interfaces.contains_key(*name)) {
        add(Severity::Silencing, format!("there is no interface `{name}`"), "see `ip link`".to_owned());
    }
    let v6 = settings.vips.iter().any(IpAddr::is_ipv6) || settings.edges.iter().any(|edge| edge.addr().is_ipv6());
    // The longest outer headers that these edges may put before a packet.
    let longest = |forwarding: Forwarding| settings.edges.iter().map(|edge| forwarding.overhead(edge.addr())).max();
    let needed = |forwarding| CLIENT_MTU + longest(forwarding).unwrap_or_default();
    let (ipip, gue) = (needed(Forwarding::Ipip), needed(Forwarding::Gue));
    for (name, interface) in configured(settings, host) {
        if !interface.up {
            let mend = format!("`ip link set dev {name} up`, and see to its cable");
            add(Severity::Silencing, format!("`{name}` is down"), mend);
        }
        if v6 && interface.sysctls.disable_ipv6 {
            let mend = format!("`sysctl -w net.ipv6.conf.{}.disable_ipv6=0`", name.replace('.', "/"));
            add(Severity::Silencing, format!("IPv6 is disabled on `{name}`"), mend);
        }
        let mtu = interface.mtu;
        if mtu < gue {
            let where_not = if mtu < ipip { "the tunnel" } else { "the tunnel of `gue` edges, only of `ipip` ones" };
            let what = format!(
                "`{name}` has an MTU of {mtu}: clients' packets of {CLIENT_MTU} bytes don't fit into {where_not} \
                 (`ipip` needs {ipip}, `gue` {gue})"
            );
            let mend = format!("`ip link set dev {name} mtu 1600` here, and the same on the way from the edges");
            add(Severity::Doubtful, what, mend);
        }
    }
    let others =
        host.interfaces.iter().filter(|(name, interface)| !interface.loopback && !settings.interfaces.contains(name));
    for (name, interface) in others {
        let answers = host.all.arp_ignore.max(interface.sysctls.arp_ignore) == 0;
        if answers && interface.up && settings.vips.iter().any(IpAddr::is_ipv4) {
            let what = format!("`{name}` answers ARP for the VIPs, should anybody ask there");
            let mend = format!("`sysctl -w net.ipv4.conf.{}.arp_ignore=1`", name.replace('.', "/"));
            add(Severity::Doubtful, what, mend);
        }
    }
}

fn addresses(settings: &TargetSettings, host: &Observed, found: &mut Vec<Finding>) {
    let mut add = |severity, what: String, mend: String| found.push(Finding { severity, what, mend });
    for vip in &settings.vips {
        let holders =
            |loopback| host.interfaces.iter().filter(move |(_, i)| i.loopback == loopback && i.addresses.contains(vip));
        for (name, _) in holders(false) {
            let what = format!("the VIP {vip} is on `{name}`, where this host answers for it");
            add(Severity::Harmful, what, format!("`ip address delete {vip} dev {name}`"));
        }
        if holders(true).next().is_none() {
            let what = format!("the VIP {vip} is not on `lo`: what comes out of the tunnel is dropped");
            add(Severity::Silencing, what, "start the target agent, which puts it there".to_owned());
        }
    }
    let loopback_off = host.interfaces.iter().find(|(_, i)| i.loopback && i.sysctls.disable_ipv6);
    if let (Some((name, _)), true) = (loopback_off, settings.vips.iter().any(IpAddr::is_ipv6)) {
        let what = format!("IPv6 is disabled on `{name}`, which the VIPs belong on");
        add(Severity::Silencing, what, format!("`sysctl -w net.ipv6.conf.{name}.disable_ipv6=0`"));
    }
    let ends = tunnel_ends(settings, host);
    for (family, v4) in [("IPv4", true), ("IPv6", false)] {
        let wanted = settings.edges.iter().any(|edge| edge.addr().is_ipv4() == v4);
        if wanted && !ends.iter().any(|end| end.is_ipv4() == v4) {
            let what = format!("there are {family} edges, and no {family} address here that a tunnel could end at");
            add(Severity::Silencing, what, "give an interface an address, or name it in `addresses`".to_owned());
        }
    }
}

/// The addresses that tunnels end at: the configured ones, or all of the interfaces.
pub fn tunnel_ends(settings: &TargetSettings, host: &Observed) -> BTreeSet<IpAddr> {
    settings.addresses.clone().unwrap_or_else(|| {
        let all = configured(settings, host).flat_map(|(_, interface)| &interface.addresses);
        let end = |address: &&IpAddr| !settings.vips.contains(*address) && !is_link_local(**address);
        all.filter(end).copied().collect()
    })
}

fn configured<'a>(settings: &'a TargetSettings, host: &'a Observed) -> impl Iterator<Item = (&'a str, &'a Interface)> {
    settings.interfaces.iter().filter_map(|name| Some((name.as_str(), host.interfaces.get(name)?)))
}

/// An edge has no route to a link-local address.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// A socket on `::` takes IPv4 as well unless it was told not to, which `/proc` does not show.
fn is_listened_on(vip: IpAddr, host: &Observed) -> bool {
    host.listening.iter().any(|socket| *socket == vip || socket.is_unspecified() && (vip.is_ipv4() || socket.is_ipv6()))
}

#[cfg(test)]
mod tests;
