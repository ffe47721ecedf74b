//! Which hosts there are, their addresses, and the cables between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
const ROUTER: u8 = 1;
const EDGE: u8 = 2;
const SECOND_EDGE: u8 = 3;

/// The networks; each is a /24 and a /64.
#[derive(Debug, Clone, Copy)]
enum Net {
    Clients = 1,
    Edges = 2,
    Targets = 3,
    SecondEdge = 4,
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
    /// How many edges there are, 1 or 2; the router spreads flows over two (ECMP).
    pub edges: u8,
    /// How many target hosts there are; at most 200.
    pub targets: u8,
    /// How packets travel to the targets of a [`Service`](super::Service).
    pub forwarding: Forwarding,
    /// MTU between router, edge and targets: by default there is room for an outer header around a client's packet.
    pub inside_mtu: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { arms: Arms::One, edges: 1, targets: 3, forwarding: Forwarding::IpIp, inside_mtu: 1600 }
    }
}

/// The edges' names, and the networks of their legs to the router.
const EDGES: [(&str, Net); 2] = [("edge", Net::Edges), ("edge2", Net::SecondEdge)];

/// The addresses of an edge's leg towards the targets.
pub(super) fn edge_sources(arms: Arms, edge: &str) -> (Ipv4Addr, Ipv6Addr) {
    let (number, net) = if edge == EDGES[0].0 { (EDGE, Net::Edges) } else { (SECOND_EDGE, Net::SecondEdge) };
    match arms {
        Arms::One => (net.v4(EDGE), net.v6(EDGE)),
        Arms::Two => (Net::Targets.v4(number), Net::Targets.v6(number)),
    }
}

/// Has the router send what is for a VIP to these edges, each flow to one of them.
pub(super) fn route_by(router: &Host, edges: &[&Host]) -> Result<()> {
    let hops = |address: fn(&Host) -> IpAddr| -> String {
        edges.iter().map(|edge| format!(" nexthop via {}", address(edge))).collect()
    };
    router.ip(&format!("route replace {VIPS_V4}{}", hops(|edge| edge.v4().into())))?;
    router.ip(&format!("route replace {VIPS_V6}{}", hops(|edge| edge.v6().into())))?;
    Ok(())
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

    let inside = Cable { mtu: options.inside_mtu, xdp_sends: true };
    anyhow::ensure!((1..=EDGES.len()).contains(&usize::from(options.edges)), "there can be one edge or two");
    let mut edges = Vec::new();
    for (name, net) in EDGES.into_iter().take(options.edges.into()) {
        let edge = create(name, net, EDGE)?;
        inside.lay(&edge, "eth0", &router, name)?;
        address(&router, name, net, ROUTER)?;
        address(&edge, "eth0", net, EDGE)?;
        default_route(&edge, net)?;
        edges.push(edge);
    }
    // By ports as well: all flows of a client would take one way otherwise.
    router.sysctl("net/ipv4/fib_multipath_hash_policy", "1")?;
    router.sysctl("net/ipv6/fib_multipath_hash_policy", "1")?;
    route_by(&router, &edges.iter().collect::<Vec<_>>())?;

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
        for (edge, number) in edges.iter().zip([EDGE, SECOND_EDGE]) {
            let end = format!("{}-lan", edge.name());
            inside.lay(edge, "eth1", &router, &end)?;
            router.ip(&format!("link set {end} master lan"))?;
            address(edge, "eth1", Net::Targets, number)?;
        }
    }
    let inside_mtu = options.inside_mtu;
    router.ip(&format!("link set lan mtu {inside_mtu} up"))?;
    address(&router, "lan", Net::Targets, ROUTER)?;
    for target in hosts.values() {
        default_route(target, Net::Targets)?;
    }
    if options.forwarding == Forwarding::Nat {
        answer_by_edge(options.arms, &router, &hosts)?;
    }
    let mut senders: Vec<_> = edges.iter().map(|edge| edge.name().to_owned()).collect();
    if options.forwarding == Forwarding::Gue {
        // A target sends on what is another's.
        senders.extend(hosts.keys().cloned());
    }
    let receiver = Receiver::attach(&router, &senders)?;
    for host in [router, client].into_iter().chain(edges) {
        hosts.insert(host.name().to_owned(), host);
    }
    Ok((hosts, receiver))
}

/// Has the targets answer clients through the edge: it is their router, or their router sends there what they say.
fn answer_by_edge(arms: Arms, router: &Host, targets: &BTreeMap<String, Host>) -> Result<()> {
    const TABLE: u8 = 77;
    let net = if arms == Arms::One { Net::Edges } else { Net::Targets };
    for (family, hop) in [("-4", IpAddr::from(net.v4(EDGE))), ("-6", net.v6(EDGE).into())] {
        if arms == Arms::Two {
            for target in targets.values() {
                target.ip(&format!("{family} route replace default via {hop}"))?;
            }
        } else {
            router.ip(&format!("{family} route add default via {hop} table {TABLE}"))?;
            router.ip(&format!("{family} rule add iif lan lookup {TABLE}"))?;
        }
    }
    Ok(())
}

fn target_number(number: u8) -> Result<u8> {
    number.checked_add(10).filter(|number| *number < 255).context("too many targets for one segment")
}

/// A new namespace has the kernel's defaults or the machine's settings, depending on yet another setting: these are what
/// the laboratory counts on. Duplicate address detection would keep IPv6 addresses from use for a second. An appliance sends what it
/// lets pass back by the device that it came from, so its kernel tells the sender, on the same segment, that the other end is there too.
fn settings(host: &Host) -> Result<()> {
    for scope in ["all", "default"] {
        host.sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        host.sysctl(&format!("net/ipv4/conf/{scope}/send_redirects"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/accept_ra"), "0")?;
        host.sysctl(&format!("net/ipv6/conf/{scope}/accept_redirects"), "0")?;
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
