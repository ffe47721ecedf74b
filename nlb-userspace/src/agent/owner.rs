//! The one task that owns the state.
//!
//! Everything else sends it events and commands, and receives snapshots. It writes the tables, keeps runtime changes,
//! and tells the health checks and netlink what to watch.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nlb_common::hash::Flow;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::handle::{ChangeReport, Command, DroppedChange, ReloadError, ReloadReport, TraceError};
use super::reload;
use crate::active::ActiveFlows;
use crate::clock::Clock;
use crate::config;
use crate::control::snapshot::{ReloadFailure, RingChange, Snapshot};
use crate::control::{Change, ChangeError, Event, Notice, Outside, State, plan};
use crate::dataplane::{CounterReading, Dataplane, DataplaneError, PinPlace, Tables, TraceLines};
use crate::health::Checked;
use crate::model::{Configuration, Drains, Overlay, Settled, TargetKey};
use crate::store::Store;

/// Events taken in before the tables are rebuilt: a burst costs one rebuild, and none waits for long.
const BATCH: usize = 4096;

/// Pins that one turn of a sweep reads: a few milliseconds.
const SWEPT: usize = 4096;

/// Lines of a trace that wait for a slow reader.
const TRACE_LINES: usize = 1024;

/// How long new tables wait at most for their targets' first checks before they take over from an earlier agent's.
const TAKEOVER: Duration = Duration::from_secs(30);

/// Time between attempts to write tables that could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// Where the owner publishes what others need.
#[derive(Debug)]
struct Outlets {
    /// For API, metrics and command line.
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// For the health checks.
    checked: watch::Sender<Arc<Vec<Checked>>>,
    /// For netlink.
    addresses: watch::Sender<Arc<BTreeSet<IpAddr>>>,
}

/// The owner and what it owns.
pub struct Owner<D> {
    state: State,
    dataplane: D,
    /// The tables as they are in the dataplane.
    current: Tables,
    store: Store,
    file: PathBuf,
    clock: Clock,
    /// The drains as they are in the store.
    kept: Drains,
    /// Why the tables are not what they should be.
    failure: Option<String>,
    reload_failure: Option<ReloadFailure>,
    /// When the new tables take over from those of an earlier agent at the latest; `None`: they are in use.
    takeover: Option<Instant>,
    /// Active flows, estimated.
    active: ActiveFlows,
    /// Ends when nobody takes the lines of the running trace any more.
    trace: Option<JoinHandle<()>>,
    outlets: Outlets,
}

impl<D: Dataplane> Owner<D> {
    /// An owner of `state` over tables that hold `current`. Writes the tables before it returns: whoever attaches the
    /// program afterwards attaches it to tables that are whole.
    pub fn begin(
        state: State,
        dataplane: D,
        current: Tables,
        store: Store,
        file: PathBuf,
        clock: Clock,
    ) -> Result<(Self, Inlets), DataplaneError> {
        let snapshot = Arc::new(state.snapshot(Outside::default(), clock.now()));
        let (snapshots, snapshots_seen) = watch::channel(snapshot);
        let (checked, checked_seen) = watch::channel(Arc::default());
        let (addresses, addresses_seen) = watch::channel(Arc::default());
        let outlets = Outlets { snapshots, checked, addresses };
        let inlets = Inlets { snapshots: snapshots_seen, checked: checked_seen, addresses: addresses_seen };
        let active = ActiveFlows::begin(&current, clock.now());
        let mut owner = Self {
            kept: state.drains().clone(),
            state,
            dataplane,
            current,
            store,
            file,
            clock,
            failure: None,
            reload_failure: None,
            takeover: None,
            active,
            trace: None,
            outlets,
        };
        let replaces_others = owner.current.targets.is_empty() && !owner.dataplane.attachments().is_empty();
        owner.write_tables()?;
        if replaces_others {
            info!("the tables of an earlier agent have another layout or capacity: they serve until these are ready");
            owner.takeover = Some(Instant::now() + TAKEOVER);
        } else {
            owner.activate()?;
        }
        let (overlay, drains) = (owner.state.overlay().clone(), owner.state.drains().clone());
        owner.keep(&overlay, &drains);
        owner.publish();
        Ok((owner, inlets))
    }

    /// Takes events and commands until it is told to stop or all senders are gone.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        loop {
            let due = self.due();
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                taken = events.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.events(batch.drain(..));
                }
                () = over(&mut self.trace), if self.trace.is_some() => self.end_trace(),
                () = until(self.takeover), if self.takeover.is_some() => self.reconcile(),
                () = tokio::time::sleep(RETRY), if self.failure.is_some() => self.reconcile(),
                () = until(due), if self.failure.is_none() => self.work(),
            }
        }
        info!("the agent stops; the packet path goes on");
    }

    fn events(&mut self, events: impl Iterator<Item = Event>) {
        let mut changed = false;
        for event in events {
            let notices = self.state.handle(event, self.clock.now());
            changed |= !notices.is_empty();
            notices.iter().for_each(log);
        }
        if changed {
            self.reconcile();
        }
    }

    /// An asker that went away is nobody's error.
    fn command(&mut self, command: Command) {
        fn answer<T>(reply: oneshot::Sender<T>, value: T) {
            drop(reply.send(value));
        }
        match command {
            Command::Reload { reply } => answer(reply, self.reload()),
            Command::Change { change, reply } => answer(reply, self.change(&change)),
            Command::Counters { reply } => answer(reply, self.counters()),
            Command::Pin { flow, reply } => answer(reply, self.dataplane.pin_of(&flow)),
            Command::Trace { flow, reply } => answer(reply, self.begin_trace(flow)),
            Command::Stop => {}
        }
    }

    fn counters(&mut self) -> Result<CounterReading, DataplaneError> {
        let listeners: Vec<u32> = self.current.listeners.values().map(|listener| listener.counters).collect();
        let targets: Vec<u32> = self.current.targets.keys().copied().collect();
        let reading = self.dataplane.counters(&listeners, &targets)?;
        let active = self.active.read(self.clock.now(), |of| self.dataplane.sketch(of, false))?;
        Ok(CounterReading { flow_events: self.dataplane.flow_events()?, active, ..reading })
    }

    fn reload(&mut self) -> Result<ReloadReport, ReloadError> {
        let now = self.clock.now();
        let configuration = self.read_file().inspect_err(|error| {
            warn!("the configuration in force stays: {error}");
            self.reload_failure = Some(ReloadFailure { at: now, reason: error.to_string() });
            self.publish();
        })?;
        self.reload_failure = None;
        let mut overlay = self.state.overlay().clone();
        let mut report = reload::difference(self.state.configuration(), &configuration);
        let settled = overlay.settle(&configuration);
        settled.iter().for_each(|change| info!("{change}"));
        let drains = self.state.drains_under(&configuration, &overlay, now);
        self.keep(&overlay, &drains);
        let dropped = |lost: Settled| DroppedChange { change: lost.change(), reason: lost.because.to_string() };
        report.dropped = settled.into_iter().map(dropped).collect();
        self.state.configure(configuration, overlay, now);
        self.reconcile();
        info!("configuration reloaded from {}: {}", self.file.display(), reload::summary(&report));
        Ok(report)
    }

    fn read_file(&self) -> Result<Configuration, ReloadError> {
        let configuration = config::load(&self.file)?;
        self.state.overlay().check_room(&configuration, 0)?;
        Ok(configuration)
    }

    fn change(&mut self, change: &Change) -> Result<ChangeReport, ChangeError> {
        let target = change.target();
        let told = change.to_string();
        let mut overlay = self.state.overlay().clone();
        overlay.record(change.clone(), self.state.configuration())?;
        let now = self.clock.now();
        let drains = self.state.drains_with(change, &overlay, now)?;
        self.store.save(&overlay, &drains).map_err(|error| ChangeError::NotKept { reason: error.to_string() })?;
        self.kept.clone_from(&drains);
        let before = self.ring_change(&target);
        self.state.set_changes(overlay, drains, now);
        self.reconcile();
        let after = self.ring_change(&target);
        info!("{told}");
        Ok(ChangeReport { ring: after.filter(|_| after != before), target })
    }

    fn ring_change(&self, target: &TargetKey) -> Option<RingChange> {
        self.state.last_ring_change(&target.group)
    }

    fn begin_trace(&mut self, flow: Flow) -> Result<TraceLines, TraceError> {
        if self.trace.is_some() {
            return Err(TraceError::Busy);
        }
        let mut lines = self.dataplane.trace(Some(flow))?.ok_or(TraceError::Busy)?;
        let (relay, taken) = mpsc::channel(TRACE_LINES);
        self.trace = Some(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = relay.closed() => break,
                    line = lines.recv() => match line {
                        Some(line) => drop(relay.send(line).await),
                        None => break,
                    },
                }
            }
        }));
        info!("the packet trace begins");
        Ok(taken)
    }

    fn end_trace(&mut self) {
        self.trace = None;
        match self.dataplane.trace(None) {
            Ok(_) => info!("the packet trace ends"),
            Err(error) => error!("the packet trace can't be switched off: {error}"),
        }
        self.publish();
    }

    fn reconcile(&mut self) {
        let written = self.write_tables().and_then(|()| self.take_over());
        if let Err(failure) = written {
            error!("the tables can't be written, the next attempt is in {RETRY:?}: {failure}");
            self.failure = Some(failure.to_string());
            self.state.abandon_sweep(self.clock.now());
            // Some of the writes were done: begin the next attempt from what is really there.
            match self.dataplane.read() {
                Ok(tables) => self.current = tables,
                Err(unreadable) => error!("the tables can't be read either: {unreadable}"),
            }
        }
        if self.kept != *self.state.drains() {
            let (overlay, drains) = (self.state.overlay().clone(), self.state.drains().clone());
            self.keep(&overlay, &drains);
        }
        self.publish();
    }

    /// When there is something to do that no event asks for.
    fn due(&self) -> Option<Instant> {
        let due =
            [self.state.rebuild_due(), self.state.sweep_due(), Some(self.active.due())].into_iter().flatten().min()?;
        Some(self.clock.instant(due).into())
    }

    /// What time has made due: sketches to take, other tables, or a part of the sweep. Events are taken in between two parts.
    fn work(&mut self) {
        let now = self.clock.now();
        if self.active.due() <= now
            && let Err(failure) = self.active.turn(now, |of| self.dataplane.sketch(of, true))
        {
            error!("the active flows can't be read: {failure}");
        }
        if self.state.rebuild_due().is_some_and(|due| due <= now) {
            self.reconcile();
        }
        if self.failure.is_some() {
            return;
        }
        let Some(after) = self.state.sweep(now) else { return };
        if let Err(failure) = self.sweep(after) {
            error!("the pinned flows can't be swept: {failure}");
            self.state.abandon_sweep(now);
        }
    }

    fn sweep(&mut self, after: Option<PinPlace>) -> Result<(), DataplaneError> {
        let batch = self.dataplane.pins(after, SWEPT)?;
        let now = self.clock.now();
        let (gone, is_last) = self.state.swept(batch, &self.current, now);
        if !gone.is_empty() {
            self.dataplane.unpin(&gone)?;
        }
        if is_last {
            self.state.sweep_over(now);
        }
        Ok(())
    }

    /// Keeps what is to survive a restart, before it is in force or after it ended. What can't be kept now is kept with
    /// the next change: an agent that finds a drain that had ended ends it again.
    fn keep(&mut self, overlay: &Overlay, drains: &Drains) {
        match self.store.save(overlay, drains) {
            Ok(()) => self.kept.clone_from(drains),
            Err(error) => warn!("runtime changes and drains are not kept: {error}"),
        }
    }

    /// Lets new tables take over from an earlier agent's once their targets are known to work: before, they would have
    /// nowhere to send to while the old ones still do.
    fn take_over(&mut self) -> Result<(), DataplaneError> {
        match self.takeover {
            Some(latest) if Instant::now() >= latest || !self.state.is_waiting() => self.activate(),
            _ => Ok(()),
        }
    }

    fn activate(&mut self) -> Result<(), DataplaneError> {
        self.dataplane.activate()?;
        self.takeover = None;
        for attachment in self.dataplane.attachments() {
            info!("packets are balanced on {} ({:?} mode)", attachment.interface, attachment.mode);
        }
        Ok(())
    }

    fn write_tables(&mut self) -> Result<(), DataplaneError> {
        let (desired, notices) = self.state.rebuild(self.clock.now());
        notices.iter().for_each(log);
        self.dataplane.apply(&plan(&self.current, &desired))?;
        self.current = desired;
        self.state.settle();
        self.active.watch(self.state.watched(), self.clock.now());
        if self.failure.take().is_some() {
            info!("the tables are written again");
        }
        Ok(())
    }

    fn publish(&self) {
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

/// Drops the runtime changes that `configuration` makes moot, and keeps that.
pub(super) fn settle(overlay: &mut Overlay, configuration: &Configuration, drains: &Drains, store: &Store) {
    let settled = overlay.settle(configuration);
    if !settled.is_empty() {
        settled.iter().for_each(|change| info!("{change}"));
        // What could not be dropped from the store is moot all the same, and dropped at the next reload.
        if let Err(error) = store.save(overlay, drains) {
            warn!("runtime changes without object stay in the store: {error}");
        }
    }
}

/// Waits until the running trace is over.
async fn over(trace: &mut Option<JoinHandle<()>>) {
    if let Some(trace) = trace {
        // A relay that panicked is over too.
        drop(trace.await);
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn replace<T: PartialEq>(last: &mut Arc<T>, next: T) -> bool {
    let differs = **last != next;
    if differs {
        *last = Arc::new(next);
    }
    differs
}

fn log(notice: &Notice) {
    if notice.is_warning() {
        warn!("{notice}");
    } else {
        info!("{notice}");
    }
}

#[cfg(test)]
mod tests;
