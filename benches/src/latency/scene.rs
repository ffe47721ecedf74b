//! Three hosts, and the two ways of a datagram from the client to the target:
//!
//! ```text
//!             ┌── to-edge ═ in  edge  out ═ from-edge ──┐        with the edge: to a VIP
//!   client ───┤                                         ├─── target
//!             └── direct ════════════════════ direct ───┘        without it, and the answers of both: to another address
//! ```
//! One thread is client and server at once: it sends, and the kernel takes the datagram all the way into the server's socket
//! before the system call is over. No other thread has to be woken, so what is measured is the way and no scheduler.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use nix::net::if_::if_nametoindex;
use nlb_tests::segment::Host;
use nlb_userspace::dataplane::{TargetHost, detach};
use nlb_userspace::model::XdpMode;

use crate::balancer::{Balancer, EDGE_V4, PORT, Setup, TARGET_MAC, TARGET_V4, VIP_V4};
use crate::leftovers;

/// The client's address, and one of the target's that no edge knows.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 1);
const DIRECT: Ipv4Addr = Ipv4Addr::new(10, 70, 0, 2);
/// MAC addresses of the ends of the cables.
const CLIENT_MAC: &str = "02:00:00:00:70:01";
const DIRECT_MAC: &str = "02:00:00:00:70:02";
const IN_MAC: &str = "02:00:00:00:70:03";
/// Room for every outer header.
const MTU: u32 = 2_000;
/// A datagram that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sockets, and what connects them.
pub(super) struct Scene {
    client: UdpSocket,
    /// At the VIP, and at the address that is reached without the edge.
    servers: [UdpSocket; 2],
    // Before the hosts: they are detached there.
    _balancer: Balancer,
    _target: Decapsulator,
    _hosts: [Host; 3],
}

/// By which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the edge, in a tunnel to the target.
    Edge = 0,
    /// By a cable.
    Direct = 1,
}

/// The target's program. Dropping it removes its pins.
struct Decapsulator {
    /// `None` only while it is being dropped.
    host: Option<TargetHost>,
    pins: PathBuf,
}

impl Drop for Decapsulator {
    fn drop(&mut self) {
        self.host = None;
        if let Err(error) = detach(&self.pins) {
            eprintln!("cannot remove {}: {error}", self.pins.display());
        }
    }
}

impl Scene {
    /// Builds everything.
    pub(super) fn build() -> Result<Self> {
        let host = |of: &str| Host::new(leftovers::name(of));
        let (client, edge, target) = (host("client"), host("edge"), host("target"));
        for host in [&client, &edge, &target] {
            for scope in ["all", "default"] {
                host.sysctl(&format!("ipv6/conf/{scope}/disable_ipv6"), "1");
                // The client's datagrams come by another cable than answers to it leave by.
                host.sysctl(&format!("ipv4/conf/{scope}/rp_filter"), "0");
            }
            host.ip("link set lo up");
        }
        let mac = TARGET_MAC.map(|byte| format!("{byte:02x}")).join(":");
        cable(&client, "to-edge", "02:00:00:00:70:04", &edge, "in", IN_MAC);
        cable(&edge, "out", "02:00:00:00:70:05", &target, "from-edge", &mac);
        cable(&client, "direct", CLIENT_MAC, &target, "direct", DIRECT_MAC);
        client.ip(&format!("address add {CLIENT}/32 dev lo"));
        for (address, by, mac) in [(VIP_V4, "to-edge", IN_MAC), (DIRECT, "direct", DIRECT_MAC)] {
            route(&client, address, CLIENT, by, mac);
        }
        for address in [VIP_V4, DIRECT, TARGET_V4] {
            target.ip(&format!("address add {address}/32 dev lo"));
        }
        route(&target, CLIENT, DIRECT, "direct", CLIENT_MAC);

        let pins = |of: &str| Path::new(leftovers::BPFFS).join(leftovers::name(of));
        let decapsulator = target.inside(|| decapsulate(pins("target")))?;
        let way_out = edge.inside(|| if_nametoindex("out")).context("no interface `out`")?;
        let setup = Setup { protocol: "udp", targets: 1, tracking: "none", ..Setup::default() };
        let balancer = edge.inside(|| Balancer::attach(&setup, "in", way_out, &pins("edge")))?;
        let bind = |host: &Host, address: Ipv4Addr, port| {
            let socket = host.inside(|| UdpSocket::bind((address, port)))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok::<_, anyhow::Error>(socket)
        };
        Ok(Self {
            client: bind(&client, CLIENT, 0)?,
            servers: [bind(&target, VIP_V4, PORT)?, bind(&target, DIRECT, PORT)?],
            _balancer: balancer,
            _target: decapsulator,
            _hosts: [client, edge, target],
        })
    }

    /// A datagram there and its answer back.
    pub(super) fn ping(&self, way: Way) -> Result<()> {
        let server = &self.servers[way as usize];
        let address = if way == Way::Edge { VIP_V4 } else { DIRECT };
        let mut buffer = [0; 64];
        self.client.send_to(b"ping", (address, PORT))?;
        let (length, from) = server.recv_from(&mut buffer).with_context(|| format!("{way:?}: no datagram came"))?;
        server.send_to(&buffer[..length], from)?;
        let (length, answerer) = self.client.recv_from(&mut buffer).with_context(|| format!("{way:?}: no answer"))?;
        anyhow::ensure!(&buffer[..length] == b"ping", "{way:?}: another answer came");
        anyhow::ensure!(answerer == SocketAddr::from((address, PORT)), "{way:?}: {answerer} answered");
        Ok(())
    }
}

fn decapsulate(pins: PathBuf) -> Result<Decapsulator> {
    let host = TargetHost::open(&pins)?;
    let mut decapsulator = Decapsulator { host: Some(host), pins };
    let host = decapsulator.host.as_mut().context("it was just opened")?;
    host.set_edges(&BTreeSet::from([IpNet::from(IpAddr::from(EDGE_V4))]))?;
    host.set_tunnel_ends(&BTreeSet::from([TARGET_V4.into()]))?;
    host.attach(&["from-edge".to_owned()], XdpMode::Native)?;
    Ok(decapsulator)
}

/// Lays a cable. What is sent on it is whole: a tunnel would hide what an interface leaves to do.
fn cable(near: &Host, near_end: &str, near_mac: &str, far: &Host, far_end: &str, far_mac: &str) {
    near.ip(&format!(
        "link add {near_end} mtu {MTU} address {near_mac} type veth peer name {far_end} mtu {MTU} address {far_mac} \
         netns {}",
        far.name()
    ));
    for (host, end) in [(near, near_end), (far, far_end)] {
        host.ethtool(&format!("-K {end} tx off"));
        host.ip(&format!("link set {end} up"));
    }
}

fn route(host: &Host, to: Ipv4Addr, from: Ipv4Addr, by: &str, mac: &str) {
    host.ip(&format!("route add {to}/32 dev {by} src {from}"));
    host.ip(&format!("neighbour add {to} lladdr {mac} dev {by} nud permanent"));
}
