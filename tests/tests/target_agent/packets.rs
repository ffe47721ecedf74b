//! Which packets come out of their tunnels.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Instant;

use etherparse::PacketBuilder;
use nix::sys::socket::{MsgFlags, SockProtocol, recv, setsockopt, sockopt};
use nix::sys::time::TimeVal;

use crate::scene::Scene;
use crate::tunnel::{datagram, ip, ip4, raw, received, uninterrupted};
use crate::{CLIENT_PORT, CLIENT_V4, CLIENT_V6, DEADLINE, PORT, VIP_V4, VIP_V6};

const ENCAPSULATIONS: [(&str, &str, &str, &str); 4] = [
    ("4in4", "10.9.0.1", "10.9.0.2", VIP_V4),
    ("6in4", "10.9.0.1", "10.9.0.2", VIP_V6),
    ("4in6", "2001:db8:9::1", "2001:db8:9::2", VIP_V4),
    ("6in6", "2001:db8:9::1", "2001:db8:9::2", VIP_V6),
];

#[test]
fn every_encapsulation_reaches_the_service_with_the_clients_address_and_is_answered_directly() {
    let scene = Scene::new();
    let _agent = scene.agent();
    for (name, edge, target, vip) in ENCAPSULATIONS {
        let client = if ip(vip).is_ipv4() { CLIENT_V4 } else { CLIENT_V6 };
        let client = SocketAddr::new(ip(client), CLIENT_PORT);
        let service = scene.service(vip);
        let answers = scene.net.edge.inside(|| UdpSocket::bind(client).unwrap());
        answers.set_read_timeout(Some(DEADLINE)).unwrap();
        scene.tunnel(edge).send(target, &datagram(vip, name.as_bytes()));
        assert_eq!(received(&service), (name.as_bytes().to_vec(), client), "{name}");
        service.send_to(b"answer", client).unwrap();
        assert_eq!(received(&answers), (b"answer".to_vec(), SocketAddr::new(ip(vip), PORT)), "{name}");
    }
    assert_eq!(scene.counted()["decapsulated"], 4);
}

#[test]
fn a_tcp_connection_that_comes_through_the_tunnel_is_accepted() {
    let scene = Scene::new();
    let _agent = scene.agent();
    let _service = scene.target().inside(|| TcpListener::bind(SocketAddr::new(ip(VIP_V4), PORT)).unwrap());
    // A copy of every TCP packet to the client.
    let client = scene.net.edge.inside(|| raw(ip(CLIENT_V4), SockProtocol::Tcp));
    setsockopt(&client, sockopt::ReceiveTimeout, &TimeVal::new(60, 0)).unwrap();
    let mut syn = Vec::new();
    let builder = PacketBuilder::ipv4(ip4(CLIENT_V4), ip4(VIP_V4), 61).tcp(CLIENT_PORT, PORT, 1_000, 65_000).syn();
    builder.write(&mut syn, &[]).unwrap();
    scene.tunnel("10.9.0.1").send("10.9.0.2", &syn);
    let mut buffer = [0; 2048];
    let answer = uninterrupted(|| Ok(recv(client.as_raw_fd(), &mut buffer, MsgFlags::empty())?));
    let length = answer.expect("an answer arrives");
    let answer = etherparse::SlicedPacket::from_ip(&buffer[..length]).unwrap();
    let Some(etherparse::TransportSlice::Tcp(tcp)) = answer.transport else { panic!("{answer:?}") };
    assert!(tcp.syn() && tcp.ack() && tcp.acknowledgment_number() == 1_001, "{tcp:?}");
}

#[test]
fn a_strangers_tunnel_is_not_opened_and_is_counted() {
    let scene = Scene::new();
    scene.net.edge.ip("address add 10.9.0.66/24 dev eth0");
    let _agent = scene.agent();
    let service = scene.service(VIP_V4);
    scene.tunnel("10.9.0.66").send("10.9.0.2", &datagram(VIP_V4, b"stranger"));
    scene.tunnel("10.9.0.1").send("10.9.0.2", &datagram(VIP_V4, b"edge"));
    assert_eq!(received(&service).0, b"edge", "what was sent first did not arrive");
    assert_eq!(scene.counted()["unknown_edge"], 1);
}

#[test]
fn packets_arrive_without_an_agent_and_while_the_next_one_takes_over() {
    let scene = Scene::new();
    scene.agent().kill();
    let service = scene.service(VIP_V4);
    let tunnel = scene.tunnel("10.9.0.1");
    let sent = std::cell::Cell::new(0_u32);
    let send_and_see = || {
        let payload = sent.get().to_be_bytes();
        tunnel.send("10.9.0.2", &datagram(VIP_V4, &payload));
        assert_eq!(received(&service).0, payload, "none is lost, none is late");
        sent.set(sent.get() + 1);
    };
    for _ in 0..100 {
        send_and_see();
    }
    let before = scene.status();
    assert!(!before.agent);
    let next = scene.launch();
    let deadline = Instant::now() + DEADLINE;
    loop {
        send_and_see();
        let now = scene.status();
        if now.agent && now.attachments != before.attachments {
            break;
        }
        assert!(Instant::now() < deadline, "the next agent does not take over");
    }
    send_and_see();
    assert_eq!(scene.counted()["decapsulated"], u64::from(sent.get()), "the counters go on");
    drop(next);
    send_and_see();
}

#[test]
fn a_tunnel_ends_at_every_address_that_the_interface_has() {
    let scene = Scene::new();
    let _agent = scene.agent();
    let service = scene.service(VIP_V4);
    scene.target().ip("address add 10.9.0.3/24 dev eth0");
    scene.until("the new address ends tunnels", |status| status.tunnel_ends.contains(&ip("10.9.0.3")));
    scene.tunnel("10.9.0.1").send("10.9.0.3", &datagram(VIP_V4, b"new address"));
    assert_eq!(received(&service).0, b"new address");
    scene.target().ip("address delete 10.9.0.3/24 dev eth0");
    let status = scene.until("the old address ends none", |status| !status.tunnel_ends.contains(&ip("10.9.0.3")));
    assert!(status.tunnel_ends.contains(&ip("10.9.0.2")) && !status.tunnel_ends.contains(&ip(VIP_V4)));
}

#[test]
fn only_configured_addresses_end_tunnels_when_there_are_any() {
    let scene = Scene::new();
    scene.write("addresses = [\"10.9.0.2\"]");
    let _agent = scene.agent();
    assert_eq!(scene.status().tunnel_ends, [ip("10.9.0.2")].into());
}
