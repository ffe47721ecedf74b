//! For tests that need no more than a cable: two hosts, each a network namespace of its own: `edge` and `peer`, both with an `eth0`.
//!
//! Everything is named after this process and gone when it is dropped. Only the network is a host's own: files, and
//! `/sys/fs/bpf` above all, are everybody's.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// The MAC address that the edge begins with.
pub const EDGE_MAC: &str = "02:00:00:00:00:01";
/// The MAC address that its peer begins with.
pub const PEER_MAC: &str = "02:00:00:00:00:02";

/// A host.
#[derive(Debug)]
pub struct Host {
    name: String,
}

/// The cable and its two hosts.
#[derive(Debug)]
pub struct Segment {
    /// Where the program under test runs.
    pub edge: Host,
    /// Who is at the other end.
    pub peer: Host,
}

impl Default for Segment {
    fn default() -> Self {
        Self::new()
    }
}

impl Segment {
    /// Both hosts up, with 10.9.0.1 and 10.9.0.2, 2001:db8:9::1 and ::2, and all of their addresses in use.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("nlbn-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (edge, peer) = (Host::new(format!("{id}-edge")), Host::new(format!("{id}-peer")));
        edge.ip(&format!(
            "link add eth0 address {EDGE_MAC} type veth peer name eth0 address {PEER_MAC} netns {}",
            peer.name
        ));
        for (host, last) in [(&edge, 1), (&peer, 2)] {
            host.ip(&format!("address add 10.9.0.{last}/24 dev eth0"));
            host.ip(&format!("address add 2001:db8:9::{last}/64 dev eth0 nodad"));
            // Nobody else has them. While a host still asks whether anybody has its link-local address, it can't look up
            // a neighbour on behalf of an address that is on `lo`, as a VIP is, and drops the packet in the end.
            for scope in ["all", "eth0"] {
                host.sysctl(&format!("ipv6/conf/{scope}/accept_dad"), "0");
            }
            host.ip("link set lo up");
            host.ip("link set eth0 up");
        }
        Self { edge, peer }
    }
}

impl Host {
    /// A host without any network.
    pub fn new(name: String) -> Self {
        run(Command::new("ip").args(["netns", "add", &name]));
        Self { name }
    }

    /// Runs `ip` with these words on this host; its output.
    pub fn ip(&self, words: &str) -> String {
        run(Command::new("ip").args(["-netns", &self.name]).args(words.split_whitespace()))
    }

    /// Runs `ethtool` with these words on this host.
    pub fn ethtool(&self, words: &str) {
        run(Command::new("ip").args(["netns", "exec", &self.name, "ethtool"]).args(words.split_whitespace()));
    }

    /// Its name: that of its network namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets a value below `/proc/sys/net`.
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(key);
        self.inside(|| fs::write(&path, value).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }

    /// Runs `work` on a thread of this host and waits for it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = self.namespace();
        thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).expect("this needs root");
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts `work` on a thread of this host.
    pub fn start<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let namespace = self.namespace();
        thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("this needs root");
            work()
        })
    }

    fn namespace(&self) -> File {
        File::open(Path::new("/run/netns").join(&self.name)).expect("the namespace is there")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let removed = Command::new("ip").args(["netns", "delete", &self.name]).status();
        if !thread::panicking() {
            assert!(removed.is_ok_and(|status| status.success()), "{} stays behind", self.name);
        }
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
