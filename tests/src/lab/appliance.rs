//! A firewall behind a gateway: takes packets out of GENEVE, lets nftables filter them, and sends back what is left.
//!
//! ```text
//! edge ──GENEVE──▶ UDP 6081 ─▶ gnv0 (tun) ─▶ forward chain of nftables ─▶ gnv0 ─▶ UDP 6081 ──GENEVE──▶ edge
//!                      └────── what stood before the packets of each flow ──────▶┘
//! ```
//!
//! It knows GENEVE from its RFC and nothing of the edge's options, which it keeps for each flow and direction as they came.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::host::Host;

const PORT: u16 = 6081;
const DEVICE: &str = "gnv0";
/// How often an appliance that has nothing to do looks whether it should end.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// A flow in one direction. Only TCP and UDP have ports; others' are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    protocol: u8,
    from: SocketAddr,
    to: SocketAddr,
}

impl Way {
    /// Is it a TCP connection to that server, in either direction?
    #[must_use]
    pub fn is_connection_to(&self, server: SocketAddr) -> bool {
        self.protocol == 6 && (self.from == server || self.to == server)
    }

    /// The other direction.
    const fn reversed(self) -> Self {
        Self { protocol: self.protocol, from: self.to, to: self.from }
    }
}

/// What is known of a flow in one direction.
#[derive(Debug, Clone)]
struct Seen {
    /// The GENEVE header with its options.
    header: Vec<u8>,
    edge: SocketAddr,
    packets: u64,
}

type Flows = Arc<Mutex<BTreeMap<Way, Seen>>>;

/// A running appliance. Dropping it ends it as a crash would.
#[derive(Debug)]
pub struct Appliance {
    stop: Arc<AtomicBool>,
    seen: Flows,
    threads: Vec<JoinHandle<()>>,
}

impl Appliance {
    /// The flows that it saw: of each, how many packets in one direction and in the other. The order of directions means nothing.
    #[must_use]
    pub fn flows(&self) -> BTreeMap<Way, [u64; 2]> {
        let mut flows = BTreeMap::<_, [u64; 2]>::new();
        for (&way, seen) in lock(&self.seen).iter() {
            let back = way.reversed();
            let (flow, direction) = if way <= back { (way, 0) } else { (back, 1) };
            flows.entry(flow).or_default()[direction] += seen.packets;
        }
        flows
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("an appliance panicked");
            }
        }
    }
}

impl Host {
    /// Makes the host an appliance whose forward chain has these rules of nftables.
    ///
    /// # Errors
    /// When the kernel or a tool (`ip`, `nft`) refuses a step.
    pub fn appliance(&self, rules: &[&str]) -> Result<Appliance> {
        let (socket, tun) = self.inside(|| Ok::<_, anyhow::Error>((socket()?, tun()?)))??;
        self.sysctl("net/ipv4/ip_forward", "1")?;
        self.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        self.ip(&format!("link set {DEVICE} up"))?;
        for family in ["-4", "-6"] {
            self.ip(&format!("{family} route replace default dev {DEVICE} table 77"))?;
            self.ip(&format!("{family} rule add iif {DEVICE} lookup 77"))?;
        }
        let chain =
            "table inet appliance { chain forward { type filter hook forward priority 0; policy accept; RULES; }; }";
        self.check("nft", [chain.replace("RULES", &rules.join("; "))])?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Flows::default());
        let (there, back) = ((socket.try_clone()?, tun.try_clone()?), (socket, tun));
        let threads = vec![
            runs(&stop, &seen, move |stop, seen| take(&there.0, &there.1, stop, seen)),
            runs(&stop, &seen, move |stop, seen| send_back(&back.0, &back.1, stop, seen)),
        ];
        Ok(Appliance { stop, seen, threads })
    }
}

fn runs(
    stop: &Arc<AtomicBool>,
    seen: &Flows,
    work: impl FnOnce(&AtomicBool, &Flows) + Send + 'static,
) -> JoinHandle<()> {
    let (stop, seen) = (Arc::clone(stop), Arc::clone(seen));
    thread::spawn(move || work(&stop, &seen))
}

fn lock(seen: &Flows) -> MutexGuard<'_, BTreeMap<Way, Seen>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)).context("cannot listen for GENEVE")?;
    socket.set_read_timeout(Some(HEARTBEAT))?;
    // Over IPv6 the kernel would drop datagrams without checksum (RFC 6936 has tunnels ask for them).
    let (on, length) = (1_i32, libc::socklen_t::try_from(size_of::<i32>())?);
    // SAFETY: the option's value is an integer of that length, which outlives the call.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_NO_CHECK6_RX, (&raw const on).cast(), length)
    };
    ensure!(set == 0, "the kernel takes no IPv6 datagrams without checksum: {}", std::io::Error::last_os_error());
    Ok(socket)
}

/// A tun device: what is written to it the host has received, what the host sends by it is read.
fn tun() -> Result<File> {
    /// `struct ifreq` of the kernel, as far as this request reads it.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: libc::c_short,
        rest: [u8; 22],
    }
    let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut request = Request { name: [0; 16], flags: 0, rest: [0; 22] };
    request.name[..DEVICE.len()].copy_from_slice(DEVICE.as_bytes());
    request.flags = libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI)?;
    // SAFETY: the request is as long as the kernel's, and outlives the call.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    ensure!(made == 0, "cannot make {DEVICE}: {}", std::io::Error::last_os_error());
    Ok(file)
}

/// From the edge to nftables.
fn take(socket: &UdpSocket, mut tun: &File, stop: &AtomicBool, seen: &Flows) {
    let mut buffer = [0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, edge)) = socket.recv_from(&mut buffer) else { continue };
        let Some((header, packet)) = split(&buffer[..length]) else { continue };
        let Some(way) = way(packet) else { continue };
        let known = Seen { header: header.to_vec(), edge, packets: 0 };
        let mut flows = lock(seen);
        let known = flows.entry(way).or_insert_with(|| known.clone());
        (known.header, known.edge) = (header.to_vec(), edge);
        known.packets += 1;
        drop(flows);
        if let Err(error) = tun.write(packet) {
            eprintln!("an appliance's host does not take a packet: {error}");
        }
    }
}

/// From nftables to the edge.
fn send_back(socket: &UdpSocket, mut tun: &File, stop: &AtomicBool, seen: &Flows) {
    let mut buffer = [0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = tun.read(&mut buffer) else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let packet = &buffer[..length];
        // What the host says by itself (IPv6 looks for neighbours) is of no flow.
        let Some(Seen { header, edge, .. }) = way(packet).and_then(|way| lock(seen).get(&way).cloned()) else {
            continue;
        };
        if let Err(error) = socket.send_to(&[&header, packet].concat(), (edge.ip(), PORT)) {
            eprintln!("an appliance cannot send to {edge}: {error}");
        }
    }
}

/// The GENEVE header with its options (RFC 8926, section 3.4), and the IP packet behind it.
fn split(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let words = datagram.first()? & 0x3f;
    let version = datagram[0] >> 6;
    let length = 8 + 4 * usize::from(words);
    (version == 0 && datagram.len() > length).then(|| datagram.split_at(length))
}

/// The flow of an IP packet without extension headers, in the packet's direction.
fn way(packet: &[u8]) -> Option<Way> {
    let v4 = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<4>()?));
    let v6 = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<16>()?));
    let (from, to, protocol, payload) = if packet.first()? >> 4 == 4 {
        (v4(12)?, v4(16)?, *packet.get(9)?, usize::from(packet[0] & 0xf) * 4)
    } else {
        (v6(8)?, v6(24)?, *packet.get(6)?, 40)
    };
    let [from_port, to_port] = if protocol == 6 || protocol == 17 {
        let [a, b, c, d] = *packet.get(payload..)?.first_chunk::<4>()?;
        [[a, b], [c, d]].map(u16::from_be_bytes)
    } else {
        [0; 2]
    };
    Some(Way { protocol, from: (from, from_port).into(), to: (to, to_port).into() })
}
