//! VIPs on the loopback interface: there, and nobody hears of them.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nlb_tests::segment::PEER_MAC;
use nlb_userspace::target_agent;

use crate::scene::Scene;
use crate::tunnel::ip;
use crate::{DEADLINE, VIP_V4, VIP_V6};

/// Sends something from the edge to an address of the segment, and waits what becomes of the question who has it.
fn asked(scene: &Scene, address: &str) -> String {
    let edge = &scene.net.edge;
    for family in ["ipv4", "ipv6"] {
        edge.sysctl(&format!("{family}/neigh/eth0/retrans_time_ms"), "100");
    }
    let any = if ip(address).is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = edge.inside(|| UdpSocket::bind(any).unwrap());
    let deadline = Instant::now() + DEADLINE;
    loop {
        // That nobody answered an earlier question is told by the next send.
        if socket.send_to(b"?", SocketAddr::new(ip(address), 9)).is_err() {
            return "nobody".to_owned();
        }
        let entry = edge.ip(&format!("neigh show {address} dev eth0"));
        if entry.contains("FAILED") {
            return "nobody".to_owned();
        }
        if let Some((_, rest)) = entry.split_once("lladdr ") {
            return rest.split_whitespace().next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{entry}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nobody_on_the_segment_hears_of_the_vips() {
    let scene = Scene::new();
    // A VIP within the segment's own network, where neighbours would ask for it.
    let vips = ["10.9.0.100", "2001:db8:9::100"];
    for vip in vips {
        scene.target().ip(&format!("address add {vip} dev lo"));
    }
    assert_eq!(asked(&scene, vips[0]), PEER_MAC, "without the agent it is answered for");
    for vip in vips {
        scene.target().ip(&format!("address delete {vip} dev lo"));
    }
    scene.net.edge.ip("neigh flush dev eth0");
    scene.write_with(&vips, "");
    let _agent = scene.agent();
    for vip in vips {
        assert_eq!(asked(&scene, vip), "nobody", "{vip}");
    }
    for own in ["10.9.0.2", "2001:db8:9::2"] {
        assert_eq!(asked(&scene, own), PEER_MAC, "{own}");
    }
}

#[test]
fn the_host_begins_nothing_in_a_vips_name() {
    let scene = Scene::new();
    scene.target().ip("address flush dev eth0 scope global");
    scene.target().ip("address add 10.9.0.2/24 dev eth0");
    scene.target().ip("address add 2001:db8:9::2/64 dev eth0 nodad");
    scene.target().ip("route replace default via 10.9.0.1");
    scene.target().ip("route replace default via 2001:db8:9::1");
    let _agent = scene.agent();
    for (to, source) in [("192.0.2.1", "10.9.0.2"), ("2001:db8:e::1", "2001:db8:9::2"), (VIP_V4, VIP_V4)] {
        let route = scene.target().ip(&format!("route get {to}"));
        assert!(route.contains(&format!("src {source} ")), "{to}: {route}");
    }
}

#[test]
fn vips_that_somebody_removes_come_back_and_those_of_others_stay() {
    let scene = Scene::new();
    scene.target().ip("address add 192.0.2.200 dev lo");
    let agent = scene.agent();
    scene.target().ip(&format!("address delete {VIP_V4} dev lo"));
    scene.target().ip(&format!("address delete {VIP_V6} dev lo"));
    scene.until("both VIPs are back", |status| status.vips.iter().all(|vip| vip.on_loopback));
    drop(agent);
    scene.target().inside(|| target_agent::detach(&scene.file())).unwrap();
    let left = scene.target().ip("address show dev lo");
    assert!(left.contains("192.0.2.200") && !left.contains(VIP_V4) && !left.contains(VIP_V6), "{left}");
}
