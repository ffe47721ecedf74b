//! The agent's owner in this process, over the kernel's tables, whose writes are seen.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use nlb_common::active::Sketch;
use nlb_common::capture::Order;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::slot::TargetIndex;
use nlb_userspace::agent::{Handle, Inlets, Owner};
use nlb_userspace::clock::Clock;
use nlb_userspace::config;
use nlb_userspace::control::event::{Health, HealthReport};
use nlb_userspace::control::{Event, Kept, NextHop, State};
use nlb_userspace::dataplane::{
    Attachment, Captures, CounterReading, Dataplane, DataplaneError, Kernel, KernelSettings, PinBatch, PinPlace,
    SketchOf, Tables, TraceLines, Write,
};
use nlb_userspace::model::TargetKey;
use nlb_userspace::store::Store;
use tokio::sync::mpsc;

use super::scene::Scene;
use super::setup::{SEED, Setup};

/// When things were done in the kernel.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The last slot of the last change was written; of a change without slots, its last entry.
    pub(super) written: Option<Instant>,
    /// The first batch of pins was asked for.
    pub(super) first_pins: Option<Instant>,
    /// The last batch was looked at, and what was to go of it is gone.
    pub(super) last_pins: Option<Instant>,
    /// Batches of pins.
    pub(super) batches: usize,
    /// Pins that were removed.
    pub(super) unpinned: usize,
}

/// Shared with a [`Watched`].
pub(super) type Sight = Arc<Mutex<Seen>>;

/// What was seen; nobody leaves it half written.
pub(super) fn look<T>(sight: &Sight, at: impl FnOnce(&mut Seen) -> T) -> T {
    at(&mut sight.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The kernel's packet path, and what is done to it.
pub(super) struct Watched {
    kernel: Kernel,
    sight: Sight,
}

/// The owner, and how to reach it.
pub(super) struct Owned {
    pub(super) owner: Owner<Watched>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) taken_events: mpsc::Receiver<Event>,
    pub(super) taken_commands: mpsc::Receiver<nlb_userspace::agent::Command>,
    pub(super) handle: Handle,
    pub(super) sight: Sight,
    /// To be kept: who publishes to nobody says so.
    pub(super) inlets: Inlets,
}

/// Begins an agent's owner in this thread's network namespace. `prepare` sees the kernel's tables before.
pub(super) fn begin(setup: &Setup, scene: &Scene, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Owned> {
    let configuration = config::parse(&setup.text(scene.folder(), scene.pins()), "bench")?;
    let mut kernel = Kernel::open(&KernelSettings::new(&configuration.agent, SEED))?;
    prepare(&kernel.set_path())?;
    let current = kernel.read()?;
    let store = Store::open(&configuration.agent.state_dir)?;
    let clock = Clock::new();
    let kept = Kept { seed: SEED, ..Kept::default() };
    let state = State::new(configuration, kept, &current, clock.beginning());
    let sight = Sight::default();
    let watched = Watched { kernel, sight: Arc::clone(&sight) };
    let (owner, inlets) = Owner::begin(state, watched, current, store, scene.folder().join("nlb.toml"), clock)?;
    let (events, taken_events) = mpsc::channel(1 << 16);
    let (commands, taken_commands) = mpsc::channel(16);
    let handle = Handle::new(commands, inlets.snapshots.clone());
    Ok(Owned { owner, events, taken_events, taken_commands, handle, sight, inlets })
}

/// The way to any target.
pub(super) fn way(address: IpAddr) -> Event {
    let hop = NextHop {
        interface: 1,
        interface_name: "bench".to_owned(),
        source_mac: [2, 0, 0, 0, 0, 1],
        source: [10, 0, 0, 1].into(),
        gateway: None,
        mac: [2, 0, 0, 0, 0, 2],
        mtu: 1_500,
    };
    Event::NextHop(address, Ok(hop))
}

/// What a target's checks found.
pub(super) fn found(target: TargetKey, health: Health) -> Event {
    Event::Health(HealthReport { target, health, reason: "told".to_owned() })
}

impl Owned {
    /// Tells that all targets are reached and well.
    pub(super) fn all_well(&self) -> Result<()> {
        let targets = self.inlets.checked.borrow().clone();
        let ways = targets.iter().map(|target| way(target.key.address));
        let checks = targets.iter().map(|target| found(target.key.clone(), Health::Healthy));
        for event in ways.chain(checks) {
            self.events.try_send(event).context("the owner has no room for all targets' health")?;
        }
        Ok(())
    }
}

impl Dataplane for Watched {
    fn read(&mut self) -> Result<Tables, DataplaneError> {
        self.kernel.read()
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), DataplaneError> {
        let last = writes.iter().rposition(|write| matches!(write, Write::Slots(_)));
        let (slots, rest) = writes.split_at(last.map_or(writes.len(), |last| last + 1));
        self.kernel.apply(slots)?;
        look(&self.sight, |seen| seen.written = Some(Instant::now()));
        self.kernel.apply(rest)
    }

    fn activate(&mut self) -> Result<(), DataplaneError> {
        self.kernel.activate()
    }

    fn counters(&mut self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, DataplaneError> {
        self.kernel.counters(listeners, targets)
    }

    fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, DataplaneError> {
        look(&self.sight, |seen| {
            seen.first_pins.get_or_insert_with(Instant::now);
            seen.batches += 1;
        });
        let batch = self.kernel.pins(after, limit)?;
        if batch.1.is_none() {
            look(&self.sight, |seen| seen.last_pins = Some(Instant::now()));
        }
        Ok(batch)
    }

    fn pin_of(&mut self, flow: &Flow) -> Result<Option<Pin>, DataplaneError> {
        self.kernel.pin_of(flow)
    }

    fn unpin(&mut self, pins: &[PinPlace]) -> Result<(), DataplaneError> {
        self.kernel.unpin(pins)?;
        look(&self.sight, |seen| {
            seen.unpinned += pins.len();
            seen.last_pins = seen.last_pins.map(|_| Instant::now());
        });
        Ok(())
    }

    fn flow_events(&mut self) -> Result<Vec<(FlowEvent, u64)>, DataplaneError> {
        self.kernel.flow_events()
    }

    fn sketch(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, DataplaneError> {
        self.kernel.sketch(of, take)
    }

    fn attachments(&self) -> Vec<Attachment> {
        self.kernel.attachments()
    }

    fn trace(&mut self, flow: Option<Flow>) -> Result<Option<TraceLines>, DataplaneError> {
        self.kernel.trace(flow)
    }

    fn capture(&mut self, order: Option<Order>) -> Result<Option<Captures>, DataplaneError> {
        self.kernel.capture(order)
    }
}
