//! Which hosts there are, their addresses, and the cables between them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};

use super::config::Forwarding;
use super::host::Host;
use super::lease::Lease;
use super::receiver::Receiver;

/// An IPv4 address that the router sends to the edge. All of `192.0.2.0/24` is.
pub const VIP_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// An IPv6 address that the router sends to the edge. All of `2001:db8:80::/64` is.
pub const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x10);

const VIPS_V4: &str = "192.0.2.0/24";
const VIPS_V6: &str = "2001:db8:80::/64";
const CLIENT_MTU: u16 = 1500;
/// Room for an outer header around a client's packet.
const INSIDE_MTU: u16 = 1600;
const ROUTER: u8 = 1;
const EDGE: u8 = 2;

/// The three networks; each is a /24 and a /64.
#[derive(Debug, Clone, Copy)]
enum Net {
    Clients = 1,
    Edges = 2,
    Targets = 3,
}

impl Net {
    const fn v4(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self as u8, 0, host)
    }

    const fn v6(self, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, self as u16, 0, 0, 0, 0, 0, host as u16)
    }
}

/// How the edge is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arms {
    /// One leg, to the router: what is forwarded leaves by the interface that it came in on, to a gateway.
    #[default]
    One,
    /// A second leg on the targets' segment: what is forwarded leaves by another interface, on-link.
    Two,
}

/// What laboratory to build.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the edge is connected.
    pub arms: Arms,
    /// How many target hosts there are; at most 200.
    pub targets: u8,
    /// How packets travel to the targets of a [`Service`](super::Service).
    pub forwarding: Forwarding,
}

impl Default for Options {
    fn default() -> Self {
        Self { arms: Arms::One, targets: 3, forwarding: Forwarding::IpIp }
    }
}

pub(super) fn edge_source_v4(arms: Arms) -> Ipv4Addr {
    edge_net(arms).v4(EDGE)
}

pub(super) fn edge_source_v6(arms: Arms) -> Ipv6Addr {
    edge_net(arms).v6(EDGE)
}

fn edge_net(arms: Arms) -> Net {
    match arms {
        Arms::One => Net::Edges,
        Arms::Two => Net::Targets,
    }
}

/// The hosts by name, and what must stay on the router's end of the edge's cable.
pub(super) fn build(lease: &Lease, options: &Options) -> Result<(BTreeMap<String, Host>, Receiver)> {
    let create = |name: &str, net: Net, number| {
        let host = Host::create(lease.id(), lease.dir(), name, net.v4(number), net.v6(number))?;
        settings(&host)?;
        Ok::<_, anyhow::Error>(host)
    };
    let router = create("router", Net::Clients, ROUTER)?;
    router.sysctl("net/ipv4/ip_forward", "1")?;
    router.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    router.ip("link add lan type bridge")?;

    let client = create("client", Net::Clients, 2)?;
    Cable { mtu: CLIENT_MTU, xdp_sends: false }.lay(&client, "eth0", &router, "client")?;
    address(&router, "client", Net::Clients, ROUTER)?;
    address(&client, "eth0", Net::Clients, 2)?;
    default_route(&client, Net::Clients)?;

    let inside = Cable { mtu: INSIDE_MTU, xdp_sends: true };
    let edge = create("edge", Net::Edges, EDGE)?;
    inside.lay(&edge, "eth0", &router, "edge")?;
    address(&router, "edge", Net::Edges, ROUTER)?;
    address(&edge, "eth0", Net::Edges, EDGE)?;
    default_route(&edge, Net::Edges)?;
    router.ip(&format!("route add {VIPS_V4} via {}", edge.v4()))?;
    router.ip(&format!("route add {VIPS_V6} via {}", edge.v6()))?;

    let mut hosts: BTreeMap<_, _> = BTreeMap::new();
    for number in 1..=options.targets {
        let name = format!("t{number}");
        let target = create(&name, Net::Targets, target_number(number)?)?;
        inside.lay(&target, "eth0", &router, &name)?;
        router.ip(&format!("link set {name} master lan"))?;
        address(&target, "eth0", Net::Targets, target_number(number)?)?;
        hosts.insert(name, target);
    }
    if options.arms == Arms::Two {
        inside.lay(&edge, "eth1", &router, "edge-lan")?;
        router.ip("link set edge-lan master lan")?;
        address(&edge, "eth1", Net::Targets, EDGE)?;
    }
    router.ip(&format!("link set lan mtu {INSIDE_MTU} up"))?;
    address(&router, "lan", Net::Targets, ROUTER)?;
    for target in hosts.values() {
        default_route(target, Net::Targets)?;
    }
    let receiver = Receiver::attach(&router, "edge")?;
    for host in [router, client, edge] {
        hosts.insert(host.name().to_owned(), host);
    }
    Ok((hosts, receiver))
}

fn target_number(number: u8) -> Result<u8> {
    number.checked_add(10).filter(|number| *number < 255).context("too many targets for one segment")
}

/// A new namespace has the kernel's defaults or the machine's settings, depending on yet another setting: these are what
/// the laboratory counts on. Duplicate address detection would keep IPv6 addresses from use for a second.
fn settings(host: &Host) -> Result<()> {
    for scope in ["all", "default"] {
        host.sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        host.sysctl(&format!("net/ipv4/conf/{scope}/send_redirects"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/accept_ra"), "0")?;
    }
    host.sysctl("net/ipv4/ip_forward", "0")?;
    host.ip("link set lo up")?;
    Ok(())
}

fn address(host: &Host, interface: &str, net: Net, number: u8) -> Result<()> {
    host.ip(&format!("address add {}/24 dev {interface}", net.v4(number)))?;
    host.ip(&format!("address add {}/64 dev {interface} nodad", net.v6(number)))?;
    Ok(())
}

fn default_route(host: &Host, net: Net) -> Result<()> {
    host.ip(&format!("route add default via {}", net.v4(ROUTER)))?;
    host.ip(&format!("route add default via {}", net.v6(ROUTER)))?;
    Ok(())
}

/// A veth pair.
struct Cable {
    mtu: u16,
    /// Will a program on the near end send (`XDP_TX`, redirect)? The far end then needs a receive queue, which veth has
    /// with GRO on.
    xdp_sends: bool,
}

impl Cable {
    fn lay(&self, near: &Host, near_end: &str, far: &Host, far_end: &str) -> Result<()> {
        let (mtu, netns) = (self.mtu, far.netns());
        near.ip(&format!("link add {near_end} mtu {mtu} type veth peer name {far_end} mtu {mtu} netns {netns}"))?;
        for (host, end, gro) in [(near, near_end, false), (far, far_end, self.xdp_sends)] {
            // A veth leaves checksums and segmentation to whoever receives; a cable has whole packets on it.
            let gro = if gro { "on" } else { "off" };
            // Up first: only on a running interface does GRO let the other end know that it may redirect into it.
            host.ip(&format!("link set {end} up"))?;
            host.check("ethtool", ["-K", end, "tx", "off", "tso", "off", "gso", "off", "gro", gro])?;
        }
        Ok(())
    }
}
