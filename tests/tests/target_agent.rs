//! The target agent on a real host: packets out of tunnels, VIPs that nobody hears of, and an end that leaves nothing.
//!
//! The segment's `edge` sends tunnel packets and is the client as well; its `peer` is the target host.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use etherparse::{IpNumber, PacketBuilder};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, recv, sendto, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;
use nlb_tests::segment::{Host, Segment};
use nlb_userspace::target_agent::{self, Command, Severity, Status};
use tokio::sync::{mpsc, oneshot};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

const VIP_V4: &str = "203.0.113.10";
const VIP_V6: &str = "2001:db8:ff::10";
const CLIENT_V4: &str = "198.51.100.7";
const CLIENT_V6: &str = "2001:db8:c::7";
const PORT: u16 = 5300;
const CLIENT_PORT: u16 = 4000;

/// A target host, a folder for its agent's file, and a client beyond the edge.
struct Scene {
    net: Segment,
    folder: tempfile::TempDir,
    pin_path: PathBuf,
}

/// A running target agent.
struct Agent {
    commands: mpsc::Sender<Command>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Scene {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let net = Segment::new();
        for address in [CLIENT_V4, CLIENT_V6] {
            net.edge.ip(&format!("address add {address} dev lo"));
        }
        net.peer.ip(&format!("route add {CLIENT_V4} via 10.9.0.1"));
        net.peer.ip(&format!("route add {CLIENT_V6} via 2001:db8:9::1"));
        for setting in ["rp_filter", "arp_ignore", "arp_announce"] {
            for scope in ["all", "eth0"] {
                net.peer.sysctl(&format!("ipv4/conf/{scope}/{setting}"), "0");
            }
        }
        let id = format!("nlbn-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scene = Self { net, folder: tempfile::tempdir().unwrap(), pin_path: PathBuf::from("/sys/fs/bpf").join(id) };
        scene.write("");
        scene
    }

    fn target(&self) -> &Host {
        &self.net.peer
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("target.toml")
    }

    /// The usual file with these lines more.
    fn write(&self, lines: &str) {
        self.write_with(&[VIP_V4, VIP_V6], lines);
    }

    fn write_with(&self, vips: &[&str], lines: &str) {
        let text = format!(
            "[target_agent]\ninterfaces = [\"eth0\"]\nedges = [\"10.9.0.1\", \"2001:db8:9::1\"]\nvips = {vips:?}\n\
             pin_path = {:?}\nstate_dir = {:?}\n{lines}\n",
            self.pin_path,
            self.folder.path().join("state"),
        );
        fs::write(self.file(), text).unwrap();
    }

    fn launch(&self) -> Agent {
        let (commands, receiver) = mpsc::channel(1);
        let (kill, killed) = oneshot::channel();
        let file = self.file();
        let thread = self.target().start(move || {
            let settings = target_agent::load(&file).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = target_agent::serve(&file, settings, receiver) => ended.map_err(|error| error.to_string()),
                    _ = killed => Ok(()),
                }
            })
        });
        Agent { commands, kill: Some(kill), thread: Some(thread) }
    }

    /// Starts the agent and waits until it has set everything up.
    fn agent(&self) -> Agent {
        let before = self.status().attachments;
        let agent = self.launch();
        self.until("the agent has attached its program", |status| {
            status.agent && !status.attachments.is_empty() && status.attachments != before
        });
        agent
    }

    fn status(&self) -> Status {
        self.target().inside(|| target_agent::status(&self.file())).unwrap()
    }

    fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "still not so: {what}\n{status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.status().outcomes.into_iter().map(|outcome| (outcome.outcome, outcome.packets)).collect()
    }

    /// A service of the target host.
    fn service(&self, address: &str) -> UdpSocket {
        let socket = self.target().inside(|| UdpSocket::bind(SocketAddr::new(ip(address), PORT)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// A tunnel's beginning on the edge.
    fn tunnel(&self, from: &str) -> Tunnel {
        self.net.edge.inside(|| Tunnel::new(ip(from)))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let detached = self.target().inside(|| target_agent::detach(&self.file()));
        if !std::thread::panicking() {
            detached.unwrap();
            assert!(!self.pin_path.exists(), "{} stays behind", self.pin_path.display());
        }
    }
}

impl Agent {
    fn tell(&self, command: Command) {
        self.commands.blocking_send(command).unwrap();
    }

    /// Ends it as `kill -9` would: in the middle of whatever it does.
    fn kill(mut self) {
        drop(self.kill.take());
        self.join().unwrap();
    }

    fn join(&mut self) -> Result<(), String> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.kill.take());
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

/// Sends IP packets in tunnels of its own making.
struct Tunnel {
    from: IpAddr,
    socket: OwnedFd,
}

impl Tunnel {
    fn new(from: IpAddr) -> Self {
        Self { from, socket: raw(from, SockProtocol::Raw) }
    }

    fn send(&self, to: &str, inner: &[u8]) {
        let builder = match (self.from, ip(to)) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
            mixed => panic!("{mixed:?}"),
        };
        let protocol = if inner[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
        let mut packet = Vec::new();
        builder.write(&mut packet, protocol, inner).unwrap();
        let to = SockaddrStorage::from(SocketAddr::new(ip(to), 0));
        assert_eq!(sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap(), packet.len());
    }
}

/// A raw socket of an address; with `Raw`, who writes brings the IP header along.
fn raw(address: IpAddr, protocol: SockProtocol) -> OwnedFd {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(address, 0))).unwrap();
    socket
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A client's datagram to a VIP.
fn datagram(vip: &str, payload: &[u8]) -> Vec<u8> {
    let builder = match ip(vip) {
        IpAddr::V4(vip) => PacketBuilder::ipv4(ip4(CLIENT_V4), vip.octets(), 61),
        IpAddr::V6(vip) => PacketBuilder::ipv6(ip6(CLIENT_V6), vip.octets(), 61),
    };
    let mut packet = Vec::new();
    builder.udp(CLIENT_PORT, PORT).write(&mut packet, payload).unwrap();
    packet
}

fn ip4(text: &str) -> [u8; 4] {
    text.parse::<std::net::Ipv4Addr>().unwrap().octets()
}

fn ip6(text: &str) -> [u8; 16] {
    text.parse::<Ipv6Addr>().unwrap().octets()
}

fn received(service: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = uninterrupted(|| service.recv_from(&mut buffer)).expect("the packet arrives");
    (buffer[..length].to_vec(), from)
}

/// A wait with a deadline is not taken up again by itself when the kernel interrupts it.
fn uninterrupted<T>(mut wait: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

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
    let _service = scene.target().inside(|| std::net::TcpListener::bind(SocketAddr::new(ip(VIP_V4), PORT)).unwrap());
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
    assert_eq!(asked(&scene, vips[0]), nlb_tests::segment::PEER_MAC, "without the agent it is answered for");
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
        assert_eq!(asked(&scene, own), nlb_tests::segment::PEER_MAC, "{own}");
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

#[test]
fn the_file_is_read_again_when_told_and_a_bad_one_changes_nothing() {
    let scene = Scene::new();
    let agent = scene.agent();
    scene.write_with(&[VIP_V4, "203.0.113.77"], "addresses = [\"10.9.0.2\"]");
    agent.tell(Command::Reload);
    scene.until("the new settings are in force", |status| {
        status.vips.iter().all(|vip| vip.on_loopback) && status.tunnel_ends.len() == 1
    });
    let addresses = || scene.target().ip("address show dev lo");
    assert!(!addresses().contains(VIP_V6), "what is no longer configured is gone: {}", addresses());
    let good = fs::read_to_string(scene.file()).unwrap();
    fs::write(scene.file(), good.replace("203.0.113.77", "203.0.113.78").replace("eth0", "")).unwrap();
    // Each is taken when the one before it is done.
    for _ in 0..3 {
        agent.tell(Command::Reload);
    }
    assert!(addresses().contains("203.0.113.77") && !addresses().contains("203.0.113.78"), "{}", addresses());
    fs::write(scene.file(), good).unwrap();
    assert_eq!(scene.status().attachments.len(), 1);
}

#[test]
fn an_interface_that_was_made_anew_gets_the_program_again() {
    let scene = Scene::new();
    let _agent = scene.agent();
    scene.target().ip("link delete eth0");
    scene.until("the program is gone with the interface", |status| status.attachments.is_empty());
    scene.target().ip("link add eth0 type veth peer name eth1");
    scene.target().ip("link set eth0 up");
    scene.until("the new interface has the program", |status| status.attachments.len() == 1);
}

fn setting(host: &Host, name: &str) -> String {
    host.inside(|| fs::read_to_string(format!("/proc/sys/net/ipv4/conf/eth0/{name}")).unwrap()).trim().to_owned()
}

#[test]
fn detaching_leaves_the_host_as_it_was() {
    let scene = Scene::new();
    let target = scene.target();
    target.sysctl("ipv4/conf/eth0/rp_filter", "1");
    for family in ["ipv4", "ipv6"] {
        target.sysctl(&format!("{family}/conf/lo/forwarding"), "0");
    }
    let seen = || {
        let settings = ["rp_filter", "arp_ignore", "arp_announce"].map(|name| setting(target, name));
        let forwarding = ["ipv4", "ipv6"].map(|family| {
            target.inside(|| fs::read_to_string(format!("/proc/sys/net/{family}/conf/lo/forwarding")).unwrap())
        });
        (settings, forwarding, target.ip("-o address show dev lo"), target.ip("-o link show dev eth0"))
    };
    // The kernel finds out in its own time that the cable is plugged in.
    let deadline = Instant::now() + DEADLINE;
    while !seen().3.contains(" state UP ") {
        assert!(Instant::now() < deadline, "{:?}", seen());
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = seen();
    let agent = scene.agent();
    assert_eq!(seen().0, ["2", "1", "2"]);
    assert_eq!(seen().1, ["1\n", "1\n"]);
    assert!(target.inside(|| target_agent::detach(&scene.file())).is_err(), "not while the agent runs");
    assert!(!scene.status().attachments.is_empty());
    drop(agent);
    let removed = target.inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!((removed.interfaces, removed.sysctls.len()), (vec!["eth0".to_owned()], 5));
    assert_eq!(seen(), before);
    assert!(!scene.pin_path.exists() && !scene.folder.path().join("state").exists());
    let again = target.inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!(again, Default::default(), "there is nothing to do twice");
}

#[test]
fn a_setting_that_somebody_changed_since_is_not_put_back() {
    let scene = Scene::new();
    drop(scene.agent());
    scene.target().sysctl("ipv4/conf/eth0/arp_ignore", "2");
    scene.target().inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!(
        (setting(scene.target(), "arp_ignore"), setting(scene.target(), "arp_announce")),
        ("2".into(), "0".into())
    );
}

#[test]
fn a_host_that_would_answer_for_the_vips_is_refused_when_its_settings_are_not_to_be_touched() {
    let scene = Scene::new();
    scene.write("fix_sysctls = false");
    let error = scene.launch().join().unwrap_err();
    for line in ["sysctl -w net.ipv4.conf.eth0.arp_ignore=1", "sysctl -w net.ipv4.conf.eth0.arp_announce=2"] {
        assert!(error.contains(line), "{error}");
    }
    assert!(!scene.target().ip("address show dev lo").contains(VIP_V4));
    assert_eq!(setting(scene.target(), "arp_ignore"), "0");
}

#[test]
fn a_strict_reverse_path_filter_is_named_and_mended() {
    let scene = Scene::new();
    let target = scene.target();
    // The way back to the client is another than the one that its packets come by.
    target.ip("link add other0 type veth peer name other1");
    target.ip("link set other0 up");
    target.ip(&format!("route replace {CLIENT_V4} dev other0"));
    for (name, value) in [("rp_filter", "1"), ("arp_ignore", "1"), ("arp_announce", "2")] {
        target.sysctl(&format!("ipv4/conf/eth0/{name}"), value);
    }
    let service = scene.service("0.0.0.0");
    let tunnel = scene.tunnel("10.9.0.1");
    scene.write("fix_sysctls = false");
    {
        let _agent = scene.agent();
        let status = scene.status();
        let named = status.findings.iter().find(|finding| finding.what.contains("rp_filter")).expect("it is named");
        assert_eq!(named.severity, Severity::Silencing);
        assert!(named.mend.contains("sysctl -w net.ipv4.conf.eth0.rp_filter=2"), "{named}");
        tunnel.send("10.9.0.2", &datagram(VIP_V4, b"strict"));
    }
    scene.write("");
    let _agent = scene.agent();
    assert!(!scene.status().findings.iter().any(|finding| finding.what.contains("rp_filter")));
    tunnel.send("10.9.0.2", &datagram(VIP_V4, b"loose"));
    assert_eq!(received(&service).0, b"loose", "the one before was dropped");
}

#[test]
fn a_second_agent_with_the_same_pins_is_refused() {
    let scene = Scene::new();
    let _first = scene.agent();
    let error = scene.launch().join().unwrap_err();
    assert!(error.contains("another agent runs"), "{error}");
}
