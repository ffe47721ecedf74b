//! Datagrams in fragments between real hosts: cut by the client's own stack, and by hand in any order.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, sendto, socket,
};
use nlb_tests::lab::{
    Arms, Forwarding, HealthCheck, ListenerConfig, NginxOptions, Options, Service, UdpEcho, VIP_V4, VIP_V6, web_and_dns,
};
use nlb_tests::packets::pieces::{ORDERS, Piece};
use nlb_tests::packets::{Described, Segment, translated};
use serde_json::Value;

const PORT: u16 = 7;
const VIPS: [IpAddr; 2] = [IpAddr::V4(VIP_V4), IpAddr::V6(VIP_V6)];
/// Longer than five of the client's packets.
const LENGTH: usize = 8_000;
/// Until each of three targets has learned of two links how long its answers' packets may be; by then none is lost again.
const ATTEMPTS: usize = 8;

struct Scene {
    // Dropped in this order.
    _servers: Vec<UdpEcho>,
    service: Service,
}

/// How packets travel, and whether a VIP's targets are of the other family.
type Mode = (Arms, Forwarding, bool);

const MODES: [Mode; 6] = [
    (Arms::One, Forwarding::IpIp, false),
    (Arms::One, Forwarding::Gue, false),
    (Arms::Two, Forwarding::L2, false),
    (Arms::One, Forwarding::Nat, false),
    (Arms::Two, Forwarding::NatSource, false),
    (Arms::One, Forwarding::NatSource, true),
];

impl Scene {
    fn new((arms, forwarding, crossed): Mode) -> Result<Self> {
        let mut listeners = web_and_dns();
        listeners.extend(VIPS.map(|address| ListenerConfig {
            name: format!("long-{}", if address.is_ipv4() { "v4" } else { "v6" }),
            address,
            protocol: "udp",
            port: PORT,
            health: HealthCheck::Tcp(80),
            targets_v6: address.is_ipv6() != crossed,
            affinity: "flow",
            targets: 3,
        }));
        let service =
            Service::start(Options { arms, forwarding, ..Options::default() }, NginxOptions::default(), listeners)?;
        let translated = matches!(forwarding, Forwarding::Nat | Forwarding::NatSource);
        let servers = service.lab.targets().flat_map(|host| {
            let addresses = if translated { [host.v4().into(), host.v6().into()] } else { VIPS };
            addresses.map(|address| host.udp_echo((address, PORT).into()))
        });
        Ok(Self { _servers: servers.collect::<Result<_>>()?, service })
    }

    /// How often that was done with rare packets, as the agent tells.
    fn outcome(&self, outcome: &str) -> Result<u64> {
        let stats: Value = serde_json::from_str(&self.service.lab.nlb(["stats", "--json"])?.success()?)?;
        let ways = stats["ways"].as_array().context("no ways")?;
        let counted = ways.iter().find(|way| way["outcome"] == outcome);
        counted.and_then(|way| way["packets"].as_u64()).with_context(|| format!("no `{outcome}` in {stats}"))
    }

    fn long_datagrams_are_echoed(&self) -> Result<()> {
        for vip in VIPS {
            let before = self.outcome("fragment")?;
            for round in 0..20 {
                let payload: String = ('a'..='z').cycle().skip(round).take(LENGTH + round).collect();
                let ask = || self.service.lab.client().udp_ask((vip, PORT).into(), payload.as_bytes());
                let answer = (1..ATTEMPTS).find_map(|_| ask().ok()).map_or_else(ask, Ok)?;
                ensure!(answer.ends_with(&format!(" {payload}")), "{vip}: {answer}");
            }
            let sent = self.outcome("fragment")? - before;
            ensure!(sent >= 20 * 6, "{vip}: {sent} fragments went to targets");
        }
        Ok(())
    }

    /// Sends a datagram in three pieces, in that order, from a port of the client's, and waits for it to be echoed.
    fn ask_in_pieces(&self, vip: IpAddr, identification: u32, order: [usize; 3]) -> Result<()> {
        let client = self.service.lab.client();
        let own: IpAddr = if vip.is_ipv4() { client.v4().into() } else { client.v6().into() };
        client.inside(|| {
            let receiver = UdpSocket::bind((own, 0))?;
            receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
            let source = (own, receiver.local_addr()?.port());
            let packet = Described { source, payload: 3_000, ..Described::new(vip, PORT, Segment::Udp) };
            let datagram = translated::ip(&packet, 0).split_off(packet.header_length());
            let cuts = [0, 1_000, 2_000, datagram.len()];
            for number in order {
                let (offset, end) = (cuts[number], cuts[number + 1]);
                let piece = Piece { identification, offset, more: end < datagram.len() };
                send(&piece.ip(&packet, &datagram[offset..end]), vip)?;
            }
            let mut buffer = vec![0; 65_536];
            let length = receiver.recv(&mut buffer).context("no echo")?;
            ensure!(buffer[..length].ends_with(&datagram[8..]), "another datagram came back");
            Ok(())
        })?
    }
}

/// Sends an IP packet as it is.
fn send(packet: &[u8], to: IpAddr) -> Result<()> {
    fn by(family: AddressFamily, packet: &[u8], to: &dyn SockaddrLike) -> Result<()> {
        let raw = socket(family, SockType::Raw, SockFlag::empty(), SockProtocol::Raw)?;
        let sent = sendto(raw.as_raw_fd(), packet, to, MsgFlags::empty())?;
        ensure!(sent == packet.len(), "{sent} of {} bytes were sent", packet.len());
        Ok(())
    }
    match SocketAddr::new(to, 0) {
        SocketAddr::V4(to) => by(AddressFamily::Inet, packet, &SockaddrIn::from(to)),
        SocketAddr::V6(to) => by(AddressFamily::Inet6, packet, &SockaddrIn6::from(to)),
    }
}

#[test]
fn datagrams_of_8_kb_are_echoed_whole() -> Result<()> {
    for mode in MODES {
        Scene::new(mode)?.long_datagrams_are_echoed().with_context(|| format!("{mode:?}"))?;
    }
    Ok(())
}

#[test]
fn a_datagram_is_echoed_whole_in_whatever_order_its_fragments_come() -> Result<()> {
    for forwarding in [Forwarding::IpIp, Forwarding::NatSource] {
        in_whatever_order(&Scene::new((Arms::One, forwarding, false))?).with_context(|| format!("{forwarding:?}"))?;
    }
    Ok(())
}

fn in_whatever_order(scene: &Scene) -> Result<()> {
    let mut identification = 1_000;
    for vip in VIPS {
        let before = scene.outcome("early_fragment")?;
        for order in ORDERS.repeat(3) {
            let mut attempt = || {
                identification += 1;
                scene.ask_in_pieces(vip, identification, order)
            };
            let mut attempts: Vec<_> = Vec::new();
            while attempts.last().is_none_or(Result::is_err) {
                if attempts.len() == ATTEMPTS {
                    bail!("{vip}, {order:?}: {attempts:?}");
                }
                attempts.push(attempt());
            }
        }
        let early = scene.outcome("early_fragment")? - before;
        ensure!(early >= 3 * 6, "{vip}: {early} fragments came early");
    }
    Ok(())
}
