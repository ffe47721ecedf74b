//! Two target hosts with their agents, and a host that is client and edge at once: what it sends to a VIP goes through a
//! TUN device to this process, which puts it into GUE for the target that the test wants.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nlb_common::layout::target::PROGRAM;
use nlb_tests::packets::reference::gue;
use nlb_tests::segment::Host;
use nlb_userspace::programs::TARGET;
use nlb_userspace::target_agent::{self, Command};
use tokio::sync::mpsc;

pub(crate) const VIPS: [&str; 2] = ["203.0.113.10", "2001:db8:ff::10"];

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
const GUE_PORT: u16 = 6080;
const HUB: [&str; 2] = ["10.9.0.1", "2001:db8:9::1"];

pub(crate) struct Scene {
    hub: Host,
    targets: Vec<TargetHost>,
    steering: Arc<Mutex<Steering>>,
    edge: Arc<[UdpSocket; 2]>,
    stop: Arc<AtomicBool>,
    pump: Option<JoinHandle<()>>,
    /// What holds the programs that let frames of `XDP_TX` in.
    _receivers: Vec<Ebpf>,
}

struct TargetHost {
    host: Host,
    folder: tempfile::TempDir,
    pin_path: PathBuf,
    commands: mpsc::Sender<Command>,
    agent: Option<JoinHandle<()>>,
}

/// Which target gets what comes; the other one is its second chance.
#[derive(Clone, Copy)]
struct Steering {
    target: usize,
    outer_v4: bool,
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Client {
    /// Sends a line, and gives the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.stream, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(target: usize, v4: bool) -> IpAddr {
    ip(&if v4 { format!("10.9.0.1{target}") } else { format!("2001:db8:9::1{target}") })
}

impl Scene {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("nlbg-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let hub = Host::new(format!("{id}-hub"));
        hub.ip("link add br0 type bridge");
        for setting in ["all", "default"] {
            hub.sysctl(&format!("ipv4/conf/{setting}/rp_filter"), "0");
        }
        let hosts = [1, 2].map(|number| cable(&hub, &id, number));
        let receivers = [1, 2].map(|number| hub.inside(|| receive(&format!("p{number}"))));
        hub.ip(&format!("address add {}/24 dev br0", HUB[0]));
        hub.ip(&format!("address add {}/64 dev br0 nodad", HUB[1]));
        hub.ip("link set lo up");
        hub.ip("link set br0 up");
        let tun = hub.inside(tun);
        hub.ip("link set tun0 up mtu 1300");
        for (vip, source) in VIPS.iter().zip(HUB) {
            hub.ip(&format!("route add {vip} dev tun0 src {source}"));
        }
        let targets = hosts.into_iter().enumerate().map(|(n, host)| TargetHost::start(host, &format!("{id}-{n}")));
        let targets = targets.collect();
        let edge = Arc::new(HUB.map(|source| hub.inside(|| UdpSocket::bind((ip(source), 0)).unwrap())));
        let steering = Arc::new(Mutex::new(Steering { target: 1, outer_v4: true }));
        let stop = Arc::new(AtomicBool::new(false));
        let pump = {
            let (edge, steering, stop) = (Arc::clone(&edge), Arc::clone(&steering), Arc::clone(&stop));
            std::thread::spawn(move || pump(tun, &edge, &steering, &stop))
        };
        let scene = Self { hub, targets, steering, edge, stop, pump: Some(pump), _receivers: receivers.into() };
        for target in &scene.targets {
            scene.until("the agents have attached their programs", || !target.status().attachments.is_empty());
        }
        scene
    }

    pub(crate) fn target(&self, number: usize) -> &Host {
        &self.targets[number - 1].host
    }

    /// From now on packets go to this target, and name the other.
    pub(crate) fn steer(&self, target: usize, outer_v4: bool) {
        *self.steering.lock().unwrap() = Steering { target, outer_v4 };
    }

    pub(crate) fn connect(&self, vip: IpAddr) -> Client {
        let stream = self.hub.inside(|| TcpStream::connect_timeout(&SocketAddr::new(vip, 80), DEADLINE).unwrap());
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { answers: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// The client's address for a VIP.
    pub(crate) fn client(&self, vip: IpAddr) -> IpAddr {
        ip(HUB[usize::from(vip.is_ipv6())])
    }

    /// Sends an IP packet as the pump would.
    pub(crate) fn send(&self, packet: &[u8]) {
        self.send_with_hops(packet, 1);
    }

    pub(crate) fn send_with_hops(&self, packet: &[u8], hops: u8) {
        let steering = *self.steering.lock().unwrap();
        send(&self.edge, steering, hops, packet);
    }

    /// Lets the first target know the second one's MAC address.
    pub(crate) fn acquaint(&self, v4: bool) {
        let second = address(2, v4);
        let flag = if v4 { "-4" } else { "-6" };
        self.until("the targets know each other", || {
            self.target(1).inside(|| {
                let any = if v4 { "0.0.0.0:0" } else { "[::]:0" };
                UdpSocket::bind(any).unwrap().send_to(&[], (second, 9)).unwrap();
            });
            let known = self.target(1).ip(&format!("{flag} neighbour show to {second}"));
            known.contains("lladdr")
        });
    }

    /// Packets of a target host that had this outcome.
    pub(crate) fn counted(&self, target: usize, outcome: &str) -> u64 {
        let outcomes = self.targets[target - 1].status().outcomes;
        outcomes.iter().find(|found| found.outcome == outcome).unwrap().packets
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < deadline, "still not so: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until no packets come any more.
    pub(crate) fn until_quiet(&self) {
        let all = || [1, 2].map(|target| self.targets[target - 1].status().outcomes);
        self.until("no packets come", || {
            let before = all();
            std::thread::sleep(Duration::from_millis(300));
            all() == before
        });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(pump) = self.pump.take()
            && !std::thread::panicking()
        {
            pump.join().unwrap();
        }
    }
}

impl TargetHost {
    fn start(host: Host, id: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pin_path = PathBuf::from("/sys/fs/bpf").join(id);
        let (commands, receiver) = mpsc::channel(1);
        let file = folder.path().join("target.toml");
        let text = format!(
            "[target_agent]\ninterfaces = [\"eth0\"]\nedges = {HUB:?}\nvips = {VIPS:?}\n\
             pin_path = {pin_path:?}\nstate_dir = {:?}\n",
            folder.path().join("state"),
        );
        std::fs::write(&file, text).unwrap();
        serve(&host);
        let agent = host.start(move || {
            let settings = target_agent::load(&file).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(target_agent::serve(&file, settings, receiver)).unwrap();
        });
        Self { host, folder, pin_path, commands, agent: Some(agent) }
    }

    fn status(&self) -> target_agent::Status {
        self.host.inside(|| target_agent::status(&self.folder.path().join("target.toml")).unwrap())
    }
}

impl Drop for TargetHost {
    fn drop(&mut self) {
        // An agent that is gone already has said why.
        let told = self.commands.blocking_send(Command::Stop);
        let ended = self.agent.take().unwrap().join();
        let detached = self.host.inside(|| target_agent::detach(&self.folder.path().join("target.toml")));
        if !std::thread::panicking() {
            told.unwrap();
            ended.unwrap();
            detached.unwrap();
            assert!(!self.pin_path.exists(), "{} stays behind", self.pin_path.display());
        }
    }
}

/// A target host on the hub's bridge.
fn cable(hub: &Host, id: &str, number: usize) -> Host {
    let host = Host::new(format!("{id}-t{number}"));
    hub.ip(&format!("link add p{number} type veth peer name eth0 netns {}", host.name()));
    hub.ip(&format!("link set p{number} master br0 up"));
    host.ip(&format!("address add {}/24 dev eth0", address(number, true)));
    host.ip(&format!("address add {}/64 dev eth0 nodad", address(number, false)));
    host.ip("link set lo up");
    host.ip("link set eth0 up");
    // What the stack leaves to the cable is never done once a program takes the packet.
    host.ethtool("-K eth0 tx off tso off gso off");
    host
}

/// What `XDP_TX` sends into a veth arrives only where a program runs: one that passes everything, for it knows no edge.
fn receive(interface: &str) -> Ebpf {
    let mut object = Ebpf::load(TARGET).unwrap();
    let program: &mut Xdp = object.program_mut(PROGRAM).unwrap().try_into().unwrap();
    program.load().unwrap();
    program.attach(interface, XdpMode::Driver).unwrap();
    object
}

/// A service that answers each line with the host's name before it, and hangs up at "bye".
fn serve(host: &Host) {
    let name = host.name().rsplit('-').next().unwrap().to_owned();
    let listener = host.inside(|| TcpListener::bind("[::]:80").unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (name, mut stream) = (name.clone(), stream.unwrap());
            std::thread::spawn(move || {
                for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                    // The test may be over.
                    let Ok(line) = line else { return };
                    if writeln!(stream, "{name} {line}").is_err() || line == "bye" {
                        return;
                    }
                }
            });
        }
    });
}

fn tun() -> File {
    /// `ifreq`: the name, and the flags `IFF_TUN` and `IFF_NO_PI`.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
    let mut request = Request { name: *b"tun0\0\0\0\0\0\0\0\0\0\0\0\0", flags: 0x1001, rest: [0; 22] };
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is as long as.
    let done = unsafe { libc::ioctl(tun.as_raw_fd(), 0x4004_54ca, &raw mut request) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    tun
}

/// Puts what comes out of `tun` for a VIP into tunnels; the host's own solicitations and reports are none of the tests'.
fn pump(mut tun: File, edge: &[UdpSocket; 2], steering: &Mutex<Steering>, stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let mut waiting = [PollFd::new(tun.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waiting, PollTimeout::from(50_u8)).unwrap() == 0 {
            continue;
        }
        let length = tun.read(&mut buffer).unwrap();
        if !VIPS.map(ip).contains(&destination(&buffer[..length])) {
            continue;
        }
        let steering = *steering.lock().unwrap();
        send(edge, steering, 1, &buffer[..length]);
    }
}

fn destination(packet: &[u8]) -> IpAddr {
    match packet[0] >> 4 {
        4 => <[u8; 4]>::try_from(&packet[16..20]).unwrap().into(),
        _ => <[u8; 16]>::try_from(&packet[24..40]).unwrap().into(),
    }
}

fn send(edge: &[UdpSocket; 2], steering: Steering, hops: u8, packet: &[u8]) {
    let Steering { target, outer_v4 } = steering;
    let second = address(3 - target, outer_v4);
    // The kernel writes the UDP header, with a checksum.
    let headers = gue(0, Some((second, hops)), packet)[8..].to_vec();
    let datagram = [&headers, packet].concat();
    edge[usize::from(!outer_v4)].send_to(&datagram, (address(target, outer_v4), GUE_PORT)).unwrap();
}
