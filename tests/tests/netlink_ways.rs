//! The way to targets on a real network: two namespaces, real routes and neighbours, and what the agent is told of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nlb_tests::segment::{EDGE_MAC, Host, PEER_MAC, Segment};
use nlb_userspace::control::event::{NextHop, NoNextHop};
use nlb_userspace::model::XdpMode;
use nlb_userspace::netlink::{self, Answer};
use tokio::sync::{mpsc, watch};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Follows ways in a host, as the agent does.
struct Follower {
    wanted: Option<watch::Sender<Arc<BTreeSet<IpAddr>>>>,
    events: Receiver<(IpAddr, Answer)>,
    told: BTreeMap<IpAddr, Answer>,
    count: usize,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    fn new(host: &Host, mode: XdpMode, addresses: &[&str]) -> Self {
        let (wanted, receiver) = watch::channel(Arc::new(set(addresses)));
        let (out, events) = channel();
        let thread = host.start(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (sender, mut events) = mpsc::channel(16);
                let task = netlink::spawn(receiver, mode, sender).unwrap();
                while let Some(event) = events.recv().await {
                    if out.send(event).is_err() {
                        break;
                    }
                }
                drop(events);
                task.await.unwrap();
            });
        });
        Self { wanted: Some(wanted), events, told: BTreeMap::new(), count: 0, thread: Some(thread) }
    }

    fn native(host: &Host, addresses: &[&str]) -> Self {
        Self::new(host, XdpMode::Native, addresses)
    }

    fn want(&self, addresses: &[&str]) {
        self.wanted.as_ref().unwrap().send_replace(Arc::new(set(addresses)));
    }

    /// Waits until the answer for `address` is as it should be.
    fn wait(&mut self, address: &str, what: &str, is: impl Fn(&Answer) -> bool) {
        let address: IpAddr = address.parse().unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(answer) = self.told.get(&address)
                && is(answer)
            {
                return;
            }
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((address, answer)) => {
                    self.count += 1;
                    self.told.insert(address, answer);
                }
                Err(RecvTimeoutError::Timeout) => panic!("{address}: not {what} but {:?}", self.told.get(&address)),
                Err(RecvTimeoutError::Disconnected) => panic!("{address}: nobody follows any more"),
            }
        }
    }

    fn hop(&mut self, address: &str) -> NextHop {
        self.wait(address, "reachable", Result::is_ok);
        self.told[&ip(address)].clone().unwrap()
    }

    fn none(&mut self, address: &str, expected: &NoNextHop) {
        let expected = Err(expected.clone());
        let what = format!("{expected:?}");
        self.wait(address, &what, |answer| *answer == expected);
    }

    /// Waits until the way to `address` is as it should be.
    fn until(&mut self, address: &str, what: &str, is: impl Fn(&NextHop) -> bool) {
        self.wait(address, what, |answer| answer.as_ref().is_ok_and(&is));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.wanted.take();
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

fn mac(text: &str) -> [u8; 6] {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Neighbours that fall silent are given up in a second rather than in a minute.
fn impatient(host: &Host) {
    for family in ["ipv4", "ipv6"] {
        for (key, value) in [
            ("base_reachable_time_ms", "500"),
            ("delay_first_probe_time", "1"),
            ("retrans_time_ms", "100"),
            ("interval_probe_time_ms", "200"),
        ] {
            host.sysctl(&format!("{family}/neigh/eth0/{key}"), value);
        }
    }
}

#[test]
fn targets_on_the_link_are_reached_directly() {
    let net = Segment::new();
    let mut follower = Follower::native(&net.edge, &["10.9.0.2", "2001:db8:9::2"]);
    for (target, source) in [("10.9.0.2", "10.9.0.1"), ("2001:db8:9::2", "2001:db8:9::1")] {
        let hop = follower.hop(target);
        let expected = NextHop {
            interface: hop.interface,
            interface_name: "eth0".to_owned(),
            source_mac: mac(EDGE_MAC),
            source: ip(source),
            gateway: None,
            mac: mac(PEER_MAC),
            mtu: 1500,
        };
        assert_eq!(hop, expected);
    }
}

#[test]
fn gateways_of_either_family_are_followed() {
    let net = Segment::new();
    net.peer.ip("address add fe80::2/64 dev eth0 nodad");
    net.edge.ip("route add 192.0.2.0/24 via 10.9.0.2");
    net.edge.ip("route add 198.51.100.0/24 via inet6 fe80::2 dev eth0");
    net.edge.ip("route add 2001:db8:e::/48 via 2001:db8:9::2");
    net.edge.ip("route add 2001:db8:f::/48 via fe80::2 dev eth0");
    let ways = [
        ("192.0.2.9", "10.9.0.2", "10.9.0.1"),
        ("198.51.100.9", "fe80::2", "10.9.0.1"),
        ("2001:db8:e::9", "2001:db8:9::2", "2001:db8:9::1"),
        ("2001:db8:f::9", "fe80::2", "2001:db8:9::1"),
    ];
    let mut follower = Follower::native(&net.edge, &ways.map(|(target, ..)| target));
    for (target, gateway, source) in ways {
        let hop = follower.hop(target);
        assert_eq!((hop.gateway, hop.mac, hop.source), (Some(ip(gateway)), mac(PEER_MAC), ip(source)), "{target}");
    }
}

#[test]
fn a_routes_source_and_mtu_count() {
    let net = Segment::new();
    net.edge.ip("address add 10.9.0.7/24 dev eth0");
    net.edge.ip("route add 192.0.2.0/24 via 10.9.0.2 src 10.9.0.7 mtu 1400");
    net.edge.ip("route add 2001:db8:e::/48 via 2001:db8:9::2 mtu 1380");
    let mut follower = Follower::native(&net.edge, &["192.0.2.9", "2001:db8:e::9"]);
    let hop = follower.hop("192.0.2.9");
    assert_eq!((hop.source, hop.mtu), (ip("10.9.0.7"), 1400));
    assert_eq!(follower.hop("2001:db8:e::9").mtu, 1380);
    net.edge.ip("route replace 192.0.2.0/24 via 10.9.0.2 src 10.9.0.1 mtu 1300");
    follower.until("192.0.2.9", "by the new source and MTU", |hop| (hop.source, hop.mtu) == (ip("10.9.0.1"), 1300));
    net.edge.ip("link set eth0 mtu 1290");
    follower.until("192.0.2.9", "of the link's MTU", |hop| hop.mtu == 1290);
}

#[test]
fn a_next_hop_that_changes_its_mac_address_is_followed() {
    let net = Segment::new();
    net.peer.sysctl("ipv4/conf/eth0/arp_notify", "1");
    net.peer.sysctl("ipv6/conf/eth0/ndisc_notify", "1");
    let mut follower = Follower::native(&net.edge, &["10.9.0.2", "2001:db8:9::2"]);
    for target in ["10.9.0.2", "2001:db8:9::2"] {
        assert_eq!(follower.hop(target).mac, mac(PEER_MAC));
    }
    net.peer.ip("link set eth0 address 02:00:00:00:00:99");
    for target in ["10.9.0.2", "2001:db8:9::2"] {
        follower.until(target, "at the new MAC address", |hop| hop.mac == mac("02:00:00:00:00:99"));
    }
}

#[test]
fn a_changed_mac_address_of_the_edge_itself_is_followed() {
    let net = Segment::new();
    let mut follower = Follower::native(&net.edge, &["10.9.0.2"]);
    follower.hop("10.9.0.2");
    net.edge.ip("link set eth0 address 02:00:00:00:00:77");
    follower.until("10.9.0.2", "sent from the new MAC address", |hop| hop.source_mac == mac("02:00:00:00:00:77"));
}

#[test]
fn a_replaced_route_and_a_new_rule_are_followed() {
    let net = Segment::new();
    for last in [3, 4] {
        net.peer.ip(&format!("address add 10.9.0.{last}/24 dev eth0"));
    }
    net.edge.ip("route add 192.0.2.0/24 via 10.9.0.2");
    net.edge.ip("route add 192.0.2.0/24 via 10.9.0.4 table 100");
    let mut follower = Follower::native(&net.edge, &["192.0.2.9"]);
    assert_eq!(follower.hop("192.0.2.9").gateway, Some(ip("10.9.0.2")));
    let by = |gateway: &str| {
        let gateway = Some(ip(gateway));
        move |hop: &NextHop| hop.gateway == gateway
    };
    net.edge.ip("route replace 192.0.2.0/24 via 10.9.0.3");
    follower.until("192.0.2.9", "by the new gateway", by("10.9.0.3"));
    net.edge.ip("rule add to 192.0.2.0/24 lookup 100");
    follower.until("192.0.2.9", "by the rule's table", by("10.9.0.4"));
    net.edge.ip("rule delete to 192.0.2.0/24 lookup 100");
    follower.until("192.0.2.9", "by the main table", by("10.9.0.3"));
    net.edge.ip("route delete 192.0.2.0/24");
    follower.none("192.0.2.9", &NoNextHop::NoRoute);
}

#[test]
fn a_neighbour_that_dies_is_told_and_so_is_its_return() {
    let net = Segment::new();
    impatient(&net.edge);
    let mut follower = Follower::native(&net.edge, &["10.9.0.2", "2001:db8:9::2"]);
    for target in ["10.9.0.2", "2001:db8:9::2"] {
        follower.hop(target);
    }
    net.peer.ip("address flush dev eth0");
    for (target, protocol) in [("10.9.0.2", "ARP"), ("2001:db8:9::2", "ND")] {
        let neighbour = ip(target);
        let reason = NoNextHop::NoNeighbour { neighbour, interface: "eth0".to_owned(), protocol: protocol.to_owned() };
        follower.none(target, &reason);
    }
    net.peer.ip("address add 10.9.0.2/24 dev eth0");
    net.peer.ip("address add fe80::2/64 dev eth0 nodad");
    net.peer.ip("address add 2001:db8:9::2/64 dev eth0 nodad");
    for target in ["10.9.0.2", "2001:db8:9::2"] {
        follower.hop(target);
    }
}

#[test]
fn neighbours_are_found_again_after_a_flush() {
    let net = Segment::new();
    let mut follower = Follower::native(&net.edge, &["10.9.0.2"]);
    follower.hop("10.9.0.2");
    let managed = || net.edge.ip("neigh show 10.9.0.2 dev eth0 nud reachable").contains("managed");
    until("the kernel keeps the neighbour fresh", managed);
    net.edge.ip("neigh delete 10.9.0.2 dev eth0");
    until("the kernel keeps the neighbour fresh again", managed);
    assert_eq!(follower.count, 1, "the way did not change: {:?}", follower.told);
}

#[test]
fn an_interface_that_is_down_is_named_and_comes_back() {
    let net = Segment::new();
    let mut follower = Follower::native(&net.edge, &["10.9.0.2"]);
    follower.hop("10.9.0.2");
    let down = NoNextHop::InterfaceDown { interface: "eth0".to_owned() };
    // Switched off here, then without carrier because the other end is off.
    for host in [&net.edge, &net.peer] {
        host.ip("link set eth0 down");
        follower.none("10.9.0.2", &down);
        host.ip("link set eth0 up");
        follower.hop("10.9.0.2");
    }
}

#[test]
fn addresses_that_no_target_can_have_are_refused_by_reason() {
    let net = Segment::new();
    for (kind, prefix) in
        [("blackhole", "203.0.113.0/26"), ("unreachable", "203.0.113.64/26"), ("prohibit", "203.0.113.128/26")]
    {
        net.edge.ip(&format!("route add {kind} {prefix}"));
    }
    net.edge.ip("route add blackhole 2001:db8:b::/48");
    let cases = [
        ("10.9.0.1", NoNextHop::OwnAddress),
        ("2001:db8:9::1", NoNextHop::OwnAddress),
        ("127.0.0.5", NoNextHop::OwnAddress),
        ("10.9.0.255", NoNextHop::NotUnicast),
        ("224.0.0.5", NoNextHop::NotUnicast),
        ("ff02::5", NoNextHop::NotUnicast),
        ("192.0.2.9", NoNextHop::NoRoute),
        ("2001:db8:e::9", NoNextHop::NoRoute),
        ("203.0.113.1", NoNextHop::NoRoute),
        ("203.0.113.65", NoNextHop::NoRoute),
        ("203.0.113.129", NoNextHop::NoRoute),
        ("2001:db8:b::1", NoNextHop::NoRoute),
    ];
    let addresses: Vec<&str> = cases.iter().map(|(address, _)| *address).collect();
    let mut follower = Follower::native(&net.edge, &addresses);
    for (address, reason) in &cases {
        follower.none(address, reason);
    }
}

#[test]
fn devices_that_cannot_send_xdp_frames_are_refused_in_native_mode_only() {
    let net = Segment::new();
    net.peer.ip("address add 10.7.0.2/24 dev eth0");
    net.edge.ip("link add br0 type bridge");
    net.edge.ip("link set eth0 master br0");
    net.edge.ip("address add 10.7.0.1/24 dev br0");
    net.edge.ip("link set br0 up");
    let mut native = Follower::native(&net.edge, &["10.7.0.2"]);
    let refused = NoNextHop::NoXdpTransmit { interface: "br0".to_owned(), device: "bridge".to_owned() };
    native.none("10.7.0.2", &refused);
    let mut generic = Follower::new(&net.edge, XdpMode::Generic, &["10.7.0.2"]);
    assert_eq!(generic.hop("10.7.0.2").interface_name, "br0");
}

#[test]
fn two_thousand_targets_behind_one_gateway_are_one_neighbour() {
    let net = Segment::new();
    net.edge.ip("route add 172.16.0.0/16 via 10.9.0.2");
    let targets: Vec<String> = (0..2_000).map(|n| format!("172.16.{}.{}", n / 200, n % 200 + 1)).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let mut follower = Follower::native(&net.edge, &targets);
    for target in &targets {
        assert_eq!(follower.hop(target).mac, mac(PEER_MAC));
    }
    assert_eq!(net.edge.ip("-4 neigh show dev eth0").lines().count(), 1);
    // Changes that lead nowhere else are no news.
    let told = follower.count;
    net.edge.ip("route add 172.16.0.0/17 via 10.9.0.2");
    net.edge.ip("route add 172.16.0.1/32 via 10.9.0.2 mtu 1400");
    follower.until("172.16.0.1", "of the new MTU", |hop| hop.mtu == 1400);
    assert_eq!(follower.count, told + 1);
}

#[test]
fn the_kernel_is_asked_to_keep_wanted_neighbours_fresh_and_no_others() {
    let net = Segment::new();
    net.peer.ip("address add 10.9.0.3/24 dev eth0");
    net.edge.ip("neigh add 10.9.0.4 lladdr 02:00:00:00:00:44 dev eth0 nud permanent");
    let managed = |address: &str| net.edge.ip(&format!("neigh show {address} dev eth0")).contains("managed");
    {
        let mut follower = Follower::native(&net.edge, &["10.9.0.2", "10.9.0.3", "10.9.0.4"]);
        for target in ["10.9.0.2", "10.9.0.3", "10.9.0.4"] {
            follower.hop(target);
        }
        until("both are kept fresh", || managed("10.9.0.2") && managed("10.9.0.3"));
        follower.want(&["10.9.0.2", "10.9.0.4"]);
        until("the unwanted one is left alone", || !managed("10.9.0.3"));
    }
    assert!(net.edge.ip("neigh show 10.9.0.4 dev eth0").contains("PERMANENT"), "what was entered by hand stays so");
    assert!(managed("10.9.0.2"), "the end of the agent changes nothing");
    let mut next = Follower::native(&net.edge, &["10.9.0.3"]);
    next.hop("10.9.0.3");
    until("what the earlier agent wanted is left alone", || !managed("10.9.0.2"));
}

#[test]
fn after_the_programs_are_gone_nothing_is_kept_fresh() {
    let net = Segment::new();
    Follower::native(&net.edge, &["10.9.0.2"]).hop("10.9.0.2");
    let managed = || net.edge.ip("neigh show dev eth0").contains("managed");
    assert!(managed());
    net.edge.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(netlink::release()).unwrap();
    });
    assert!(!managed());
}
