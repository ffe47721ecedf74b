//! A target host with its agent, as every test here has one of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use nlb_tests::segment::{Host, Segment};
use nlb_userspace::target_agent::{self, Command, Status};
use tokio::sync::{mpsc, oneshot};

use crate::tunnel::{Tunnel, ip};
use crate::{CLIENT_V4, CLIENT_V6, DEADLINE, PORT, VIP_V4, VIP_V6};

/// A target host, a folder for its agent's file, and a client beyond the edge.
pub(crate) struct Scene {
    pub(crate) net: Segment,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) pin_path: PathBuf,
}

/// A running target agent.
pub(crate) struct Agent {
    commands: mpsc::Sender<Command>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Scene {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn target(&self) -> &Host {
        &self.net.peer
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("target.toml")
    }

    /// The usual file with these lines more.
    pub(crate) fn write(&self, lines: &str) {
        self.write_with(&[VIP_V4, VIP_V6], lines);
    }

    pub(crate) fn write_with(&self, vips: &[&str], lines: &str) {
        let text = format!(
            "[target_agent]\ninterfaces = [\"eth0\"]\nedges = [\"10.9.0.1\", \"2001:db8:9::1\"]\nvips = {vips:?}\n\
             pin_path = {:?}\nstate_dir = {:?}\n{lines}\n",
            self.pin_path,
            self.folder.path().join("state"),
        );
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn launch(&self) -> Agent {
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
    pub(crate) fn agent(&self) -> Agent {
        let before = self.status().attachments;
        let agent = self.launch();
        self.until("the agent has attached its program", |status| {
            status.agent && !status.attachments.is_empty() && status.attachments != before
        });
        agent
    }

    pub(crate) fn status(&self) -> Status {
        self.target().inside(|| target_agent::status(&self.file())).unwrap()
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "still not so: {what}\n{status}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub(crate) fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.status().outcomes.into_iter().map(|outcome| (outcome.outcome, outcome.packets)).collect()
    }

    /// A service of the target host.
    pub(crate) fn service(&self, address: &str) -> UdpSocket {
        let socket = self.target().inside(|| UdpSocket::bind(SocketAddr::new(ip(address), PORT)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// A tunnel's beginning on the edge.
    pub(crate) fn tunnel(&self, from: &str) -> Tunnel {
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
    pub(crate) fn tell(&self, command: Command) {
        self.commands.blocking_send(command).unwrap();
    }

    /// Ends it as `kill -9` would: in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        drop(self.kill.take());
        self.join().unwrap();
    }

    pub(crate) fn join(&mut self) -> Result<(), String> {
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
