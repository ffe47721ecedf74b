//! A stand-in for the owner of the state: answers commands on the sample, and remembers what was changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nlb_common::capture::Order;
use nlb_common::hash::Flow;
use nlb_userspace::agent::handle::{CaptureError, ChangeReport, Command, Difference, Handle, ReloadReport, TraceError};
use nlb_userspace::api::client::Client;
use nlb_userspace::api::server::Server;
use nlb_userspace::config;
use nlb_userspace::control::snapshot::{RingChange, Snapshot};
use nlb_userspace::control::{Change, ChangeError};
use nlb_userspace::dataplane::CaptureEvent;
use nlb_userspace::model::{Overlay, Subject, TargetKey, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::{sample, scaling};

/// The stand-in, and what it was asked for.
pub(crate) struct Agent {
    pub(crate) handle: Handle,
    pub(crate) changes: Arc<Mutex<Vec<Change>>>,
    pub(crate) traces: Arc<Mutex<Vec<Flow>>>,
    /// What was to be captured, and the packets that then come.
    pub(crate) captures: Arc<Mutex<Vec<Order>>>,
    pub(crate) packets: Arc<Mutex<Vec<CaptureEvent>>>,
    /// Whether the next reload finds a valid file.
    pub(crate) valid: Arc<Mutex<bool>>,
    // Kept: a closed watch still has its last value, but a closed channel of commands is a stopped agent.
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let (commands, mut received) = mpsc::channel(8);
        let (snapshots, watched) = watch::channel(Arc::new(sample::snapshot()));
        let agent = Self {
            handle: Handle::new(commands, watched),
            changes: Arc::default(),
            traces: Arc::default(),
            captures: Arc::default(),
            packets: Arc::default(),
            valid: Arc::new(Mutex::new(true)),
            snapshots,
        };
        let (changes, traces, valid) = (agent.changes.clone(), agent.traces.clone(), agent.valid.clone());
        let (captures, packets) = (agent.captures.clone(), agent.packets.clone());
        tokio::spawn(async move {
            let mut capturing: Option<mpsc::Sender<CaptureEvent>> = None;
            let mut running: Option<mpsc::Sender<String>> = None;
            while let Some(command) = received.recv().await {
                match command {
                    Command::Reload { reply } => {
                        let answer = if *valid.lock().unwrap() {
                            Ok(reloaded())
                        } else {
                            Err(config::parse("[agent]\ninterfces = [\"eth0\"]\n", "nlb.toml").unwrap_err().into())
                        };
                        let _sent = reply.send(answer);
                    }
                    Command::Change { change, reply } => {
                        let _sent = reply.send(changed(&sample::snapshot(), &change));
                        changes.lock().unwrap().push(change);
                    }
                    Command::Counters { reply } => {
                        let _sent = reply.send(Ok(sample::reading()));
                    }
                    Command::Pin { reply, .. } => {
                        let _sent = reply.send(Ok(None));
                    }
                    Command::Trace { flow, reply } => {
                        if running.as_ref().is_some_and(|lines| !lines.is_closed()) {
                            let _sent = reply.send(Err(TraceError::Busy));
                            continue;
                        }
                        let (lines, receiver) = mpsc::channel(8);
                        for line in ["listener 0", "slot 17, target 1"] {
                            lines.send(line.to_owned()).await.unwrap();
                        }
                        traces.lock().unwrap().push(flow);
                        running = Some(lines);
                        let _sent = reply.send(Ok(receiver));
                    }
                    Command::Capture { order, reply } => {
                        if capturing.as_ref().is_some_and(|packets| !packets.is_closed()) {
                            let _sent = reply.send(Err(CaptureError::Busy));
                            continue;
                        }
                        let (sender, receiver) = mpsc::channel(64);
                        for event in packets.lock().unwrap().drain(..) {
                            sender.try_send(event).unwrap();
                        }
                        captures.lock().unwrap().push(order);
                        capturing = Some(sender);
                        let _sent = reply.send(Ok(receiver));
                    }
                    Command::Stop => break,
                }
            }
        });
        agent
    }

    /// Publishes another state.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Serves the API on a socket below `directory`.
    pub(crate) async fn serve(&self, directory: &Path) -> (Client, PathBuf) {
        let socket = directory.join("nlb.sock");
        let server = Server::bind(&socket).await.unwrap();
        tokio::spawn(server.serve(self.handle.clone(), scaling::start(), std::future::pending()));
        (Client::new(&socket), socket)
    }
}

fn reloaded() -> ReloadReport {
    let name = |text: &str| text.parse().unwrap();
    ReloadReport {
        listeners: Difference { added: vec![name("new")], ..Difference::default() },
        vips: Difference::default(),
        groups: Difference { changed: vec![name("web")], ..Difference::default() },
        targets: Difference {
            removed: vec![TargetKey { group: name("web"), address: [10, 0, 0, 9].into(), port: 80 }],
            ..Difference::default()
        },
        autoscaling_groups: Difference { changed: vec![name("web")], ..Difference::default() },
        dropped: vec![],
        restart_needed: vec!["agent.interfaces".to_owned()],
    }
}

fn changed(snapshot: &Snapshot, change: &Change) -> Result<ChangeReport, ChangeError> {
    let at = Timestamp::from_epoch(sample::NOW);
    let done = |subject| ChangeReport { subject, ring: Some(RingChange { at, moved: 64, least: 64 }) };
    let target = match change.subject() {
        Subject::Target(target) => target,
        listener @ Subject::Listener(_) => {
            return Overlay::default().record(change.clone(), &snapshot.configuration).map(|()| done(listener));
        }
    };
    let group = snapshot.group(&target.group).expect("the API looks the group up first");
    let known = group.targets.iter().any(|state| state.key == target);
    match change {
        Change::Register { .. } if known => Err(ChangeError::AlreadyRegistered { target }),
        Change::Deregister { .. } | Change::SetWeight { .. } if !known => {
            Err(ChangeError::UnknownTarget { group: target.group, address: target.address, port: target.port })
        }
        Change::Undrain { .. } if target.address.is_ipv4() => Err(ChangeError::NotDrained { target }),
        Change::Drain { .. } if target.address.is_ipv6() => Err(ChangeError::AlreadyDrained { target }),
        _ => Ok(done(Subject::Target(target))),
    }
}
