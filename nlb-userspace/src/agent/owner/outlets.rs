//! What the owner publishes: a snapshot for everybody who looks, and lists for those who watch on its behalf.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::Owner;
use crate::control::Outside;
use crate::control::snapshot::Snapshot;
use crate::dataplane::Dataplane;
use crate::health::Checked;

/// Where the owner publishes what others need.
#[derive(Debug)]
pub(super) struct Outlets {
    /// For API, metrics and command line.
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// For the health checks.
    checked: watch::Sender<Arc<Vec<Checked>>>,
    /// For netlink.
    addresses: watch::Sender<Arc<BTreeSet<IpAddr>>>,
}

/// The receiving ends of what the owner publishes.
#[derive(Clone, Debug)]
pub struct Inlets {
    /// For API, metrics and command line.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// For the health checks.
    pub checked: watch::Receiver<Arc<Vec<Checked>>>,
    /// For netlink.
    pub addresses: watch::Receiver<Arc<BTreeSet<IpAddr>>>,
}

/// Both ends. There is nothing to watch before the first publication.
pub(super) fn open(snapshot: Snapshot) -> (Outlets, Inlets) {
    let (snapshots, snapshots_seen) = watch::channel(Arc::new(snapshot));
    let (checked, checked_seen) = watch::channel(Arc::default());
    let (addresses, addresses_seen) = watch::channel(Arc::default());
    let inlets = Inlets { snapshots: snapshots_seen, checked: checked_seen, addresses: addresses_seen };
    (Outlets { snapshots, checked, addresses }, inlets)
}

impl<D: Dataplane> Owner<D> {
    /// Shows the state as it is now.
    pub(super) fn publish(&self) {
        let outside = Outside {
            configuration_path: self.file.clone(),
            reload_failure: self.reload_failure.clone(),
            attachments: self.dataplane.attachments(),
            dataplane_error: self.failure.clone(),
        };
        let snapshot = self.state.snapshot(outside, self.clock.now());
        self.outlets.snapshots.send_replace(Arc::new(snapshot));
        let checked = self.state.checked();
        self.outlets.checked.send_if_modified(|last| replace(last, checked));
        let addresses = self.state.addresses();
        self.outlets.addresses.send_if_modified(|last| replace(last, addresses));
    }
}

fn replace<T: PartialEq>(last: &mut Arc<T>, next: T) -> bool {
    let differs = **last != next;
    if differs {
        *last = Arc::new(next);
    }
    differs
}
