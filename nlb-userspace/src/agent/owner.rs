//! The one task that owns the state.
//!
//! Everything else sends it events and commands, and receives snapshots. It writes the tables, keeps runtime changes,
//! and tells the health checks and netlink what to watch. Here is its loop, and how tables are written;
//! [`changes`] are what people ask for, [`outlets`] what is published, [`relay`] switches the packet trace and
//! captures on and off, and hands on what they tell.

mod changes;
mod outlets;
mod relay;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::handle::Command;
use crate::active::ActiveFlows;
use crate::clock::Clock;
use crate::control::snapshot::ReloadFailure;
use crate::control::{Event, Notice, Outside, State, plan};
use crate::dataplane::{CounterReading, Dataplane, DataplaneError, PinPlace, Tables};
use crate::model::Drains;
use crate::store::Store;
use outlets::Outlets;
use relay::Relay;

pub(super) use changes::settle;
pub use outlets::Inlets;

/// Events taken in before the tables are rebuilt: a burst costs one rebuild, and none waits for long.
const BATCH: usize = 4096;

/// Pins that one turn of a sweep reads: a few milliseconds.
const SWEPT: usize = 4096;

/// How long new tables wait at most for their targets' first checks before they take over from an earlier agent's.
const TAKEOVER: Duration = Duration::from_secs(30);

/// Time between attempts to write tables that could not be written.
const RETRY: Duration = Duration::from_secs(1);

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
    /// When they are to be written again after a failure.
    retry: Option<Instant>,
    reload_failure: Option<ReloadFailure>,
    /// When the new tables take over from those of an earlier agent at the latest; `None`: they are in use.
    takeover: Option<Instant>,
    /// Active flows, estimated.
    active: ActiveFlows,
    trace: Relay,
    capture: Relay,
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
        let (outlets, inlets) = outlets::open(state.snapshot(Outside::default(), clock.now()));
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
            retry: None,
            reload_failure: None,
            takeover: None,
            active,
            trace: Relay::default(),
            capture: Relay::default(),
            outlets,
        };
        let replaces_others = owner.current.targets.is_empty() && !owner.dataplane.attachments().is_empty();
        owner.write_tables(&[])?;
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

    /// Takes events and commands until it is told to stop or all senders are gone. Work that is due all the time, as in a sweep,
    /// takes turns with them: nobody waits for more than one batch of it, and nobody who asks all the time holds it up.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        let mut has_worked = false;
        loop {
            let due = self.due();
            let works = self.failure.is_none();
            let had_worked = std::mem::take(&mut has_worked);
            tokio::select! {
                biased;
                () = until(due), if works && !had_worked => {
                    has_worked = true;
                    self.work();
                }
                () = self.trace.over(), if self.trace.is_running() => self.end_trace(),
                () = self.capture.over(), if self.capture.is_running() => self.end_capture(),
                () = until(self.takeover), if works && self.takeover.is_some() => self.reconcile(&[]),
                () = until(self.retry), if !works => self.reconcile(&[]),
                taken = events.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.events(batch.drain(..));
                }
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.command(command),
                },
                () = until(due), if works => {
                    has_worked = true;
                    self.work();
                }
            }
        }
        info!("the agent stops; the packet path goes on");
    }

    fn events(&mut self, events: impl Iterator<Item = Event>) {
        let now = self.clock.now();
        let changed: Vec<Notice> = events.flat_map(|event| self.state.handle(event, now)).collect();
        if !changed.is_empty() {
            self.reconcile(&changed);
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
            Command::Capture { order, reply } => answer(reply, self.begin_capture(order)),
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

    /// Writes what has changed, and then says and shows it: whoever reads that can wait, packets can't.
    fn reconcile(&mut self, changed: &[Notice]) {
        let written = self.write_tables(changed).and_then(|()| self.take_over());
        if let Err(failure) = written {
            error!("the tables can't be written, the next attempt is in {RETRY:?}: {failure}");
            self.failure = Some(failure.to_string());
            self.retry = Some(Instant::now() + RETRY);
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
            self.reconcile(&[]);
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

    /// `changed` is what has made that necessary.
    fn write_tables(&mut self, changed: &[Notice]) -> Result<(), DataplaneError> {
        let (desired, notices) = self.state.rebuild(self.clock.now());
        let written = self.dataplane.apply(&plan(&self.current, &desired));
        changed.iter().chain(&notices).for_each(log);
        written?;
        self.current = desired;
        self.state.settle();
        self.active.watch(self.state.watched(), self.clock.now());
        if self.failure.take().is_some() {
            info!("the tables are written again");
        }
        Ok(())
    }
}

/// Waits until that moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn log(notice: &Notice) {
    if notice.is_warning() {
        warn!("{notice}");
    } else {
        info!("{notice}");
    }
}
