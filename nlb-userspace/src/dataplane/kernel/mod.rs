//! The packet path in the kernel: its program, tables and links, all of which outlive this process.
//!
//! Opening and activating are two steps, so that whatever has changed (the agent's version, the layout of the tables,
//! their capacity, the seed) no packet is lost:
//!
//! 1. [`Kernel::open`] finds the tables that fit, or makes new ones beside those in use, and loads this build's program
//!    over them. Nothing that packets see has changed.
//! 2. The agent reads the tables and applies the difference to what they should be.
//! 3. [`Dataplane::activate`] puts this build's ways for rare packets in their array, points the interfaces' links to the new
//!    program, each between two packets, and removes the tables that no longer serve.
//!
//! A process that dies anywhere in between leaves the old program running and the next one begins again at 1.
//!
//! What may not live here: what the tables should hold. That is `control`'s.

mod access;
mod bpffs;
mod capture;
mod counters;
mod early;
mod entries;
mod error;
mod flows;
mod gateways;
mod grace;
mod hash_table;
mod interface;
mod known;
mod links;
mod listeners;
mod mapped;
mod object;
mod pins;
mod preflight;
mod programs;
mod ranges;
mod reader;
mod sketches;
mod status;
mod sys;
mod tables;
mod target_host;
mod trace;
mod ways;

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use nlb_common::active::Sketch;
use nlb_common::capture::Order;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::{Flow, HashKeys};
use nlb_common::slot::TargetIndex;

pub use early::{EarlyFragments, Frame};
pub use error::KernelError;
pub use mapped::Mapped;
pub use status::{Detached, PinnedSet, Status, detach, seed_in_force, status};

pub use target_host::{TargetHost, TargetTables, target_tables};

use super::flows::{PinBatch, PinPlace};
use super::{Attachment, Captures, CounterReading, Dataplane, DataplaneError, SketchOf, Tables, TraceLines, Write};
use crate::model::{AgentSettings, Capacity, XdpMode};
use capture::Capture;
use flows::KernelFlows;
use links::Links;
use object::{Blueprint, Loaded};
use pins::Root;
use programs::Programs;
use tables::KernelTables;
use trace::Trace;
use ways::Ways;

/// What the kernel's packet path needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSettings {
    /// Interfaces that clients' packets come in by.
    pub interfaces: Vec<String>,
    /// Where the program runs.
    pub mode: XdpMode,
    /// Directory below a bpffs for pins; one per agent.
    pub pin_path: PathBuf,
    /// How much the tables hold.
    pub capacity: Capacity,
    /// The seed of the flow hash.
    pub seed: u64,
}

impl KernelSettings {
    /// An agent's settings, with the seed in force.
    pub fn new(agent: &AgentSettings, seed: u64) -> Self {
        Self {
            interfaces: agent.interfaces.clone(),
            mode: agent.mode,
            pin_path: agent.pin_path.clone(),
            capacity: agent.capacity,
            seed,
        }
    }
}

/// The kernel's packet path. Dropping it leaves the kernel as it is, but for a trace and a capture, which end.
pub struct Kernel {
    settings: KernelSettings,
    root: Root,
    blueprint: Blueprint,
    programs: Programs,
    tables: KernelTables,
    flows: KernelFlows,
    ways: Ways,
    links: Links,
    early: Option<EarlyFragments>,
}

impl Kernel {
    /// Prepares tables and program; packets see nothing of it before [`Dataplane::activate`].
    ///
    /// Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and CAP_SYS_ADMIN only where bpffs has to be mounted.
    pub fn open(settings: &KernelSettings) -> Result<Self, DataplaneError> {
        Ok(Self::prepare(settings)?)
    }

    fn prepare(settings: &KernelSettings) -> Result<Self, KernelError> {
        preflight::check()?;
        let present = interface::list()?;
        for name in &settings.interfaces {
            interface::find(&present, name)?;
        }
        bpffs::ensure(&settings.pin_path)?;
        let root = Root::take(&settings.pin_path)?;
        let blueprint = Blueprint::edge(settings.capacity)?;
        let keys = HashKeys::from_seed(settings.seed);
        let Loaded { mut object, program } = blueprint.load_edge(&root.set(&blueprint.name()), &keys, false)?;
        let tables = KernelTables::take(&mut object, settings.capacity.listeners)?;
        let flows = KernelFlows::take(&mut object)?;
        let ways = Ways::take(&mut object)?;
        let early = Some(EarlyFragments::take(&mut object, &program)?);
        let links = Links::new(root.links()?);
        let settings = settings.clone();
        let programs = Programs::new(program);
        Ok(Self { settings, root, blueprint, programs, tables, flows, ways, links, early })
    }

    /// Other interfaces or another mode, from the next [`Dataplane::activate`] on.
    pub fn set_interfaces(&mut self, interfaces: Vec<String>, mode: XdpMode) {
        self.settings.interfaces = interfaces;
        self.settings.mode = mode;
    }

    /// The fragments that the packet path hands over because their datagram's first one is not known yet; the first caller gets
    /// them.
    pub fn take_early_fragments(&mut self) -> Option<EarlyFragments> {
        self.early.take()
    }

    /// Directory of the tables in use.
    pub fn set_path(&self) -> PathBuf {
        self.root.set(&self.blueprint.name())
    }

    fn activate_now(&mut self) -> Result<(), KernelError> {
        self.tables.set_seed(self.settings.seed)?;
        self.ways.open()?;
        self.ways.set_balancer(self.programs.balancer())?;
        let KernelSettings { interfaces, mode, .. } = &self.settings;
        self.links.point(self.programs.in_front().as_fd(), interfaces, *mode)?;
        for pin in self.root.remove_sets_but(Some(&self.blueprint.name()))? {
            tracing::debug!(pin = %pin.display(), "removed a table of the former layout or capacity");
        }
        Ok(())
    }

    fn begin_trace(&mut self, flow: &Flow) -> Result<TraceLines, KernelError> {
        let set = self.whole_set()?;
        self.tables.set_traced_flow(flow)?;
        let keys = HashKeys::from_seed(self.settings.seed);
        let (trace, lines) = Trace::begin(self.blueprint.load_edge(&set, &keys, true)?)?;
        self.change(|programs| &mut programs.trace, Some(trace))?;
        Ok(lines)
    }

    fn begin_capture(&mut self, order: Order) -> Result<Captures, KernelError> {
        let loaded = self.blueprint.load_capture(&self.whole_set()?, capture::ROOM)?;
        let (capture, captures) = Capture::begin(loaded, order)?;
        self.change(|programs| &mut programs.capture, Some(capture))?;
        Ok(captures)
    }

    fn end_trace(&mut self) -> Result<(), KernelError> {
        self.change(|programs| &mut programs.trace, None)
    }

    fn end_capture(&mut self) -> Result<(), KernelError> {
        self.change(|programs| &mut programs.capture, None)
    }

    /// Directory of the tables in use, all of which are there: loading would make new ones where one is missing, and the program
    /// would know no listener.
    fn whole_set(&self) -> Result<PathBuf, KernelError> {
        let set = self.set_path();
        if self.blueprint.is_complete(&set) { Ok(set) } else { Err(KernelError::PinsGone { path: set }) }
    }
}

impl Dataplane for Kernel {
    fn read(&mut self) -> Result<Tables, DataplaneError> {
        self.tables.read()
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), DataplaneError> {
        writes.iter().try_for_each(|write| self.tables.write(write))
    }

    fn activate(&mut self) -> Result<(), DataplaneError> {
        Ok(self.activate_now()?)
    }

    fn counters(&mut self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, DataplaneError> {
        Ok(self.tables.counters(listeners, targets)?)
    }

    fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, DataplaneError> {
        Ok(self.flows.pins(after, limit)?)
    }

    fn pin_of(&mut self, flow: &Flow) -> Result<Option<Pin>, DataplaneError> {
        Ok(self.flows.pin_of(flow)?)
    }

    fn unpin(&mut self, pins: &[PinPlace]) -> Result<(), DataplaneError> {
        Ok(self.flows.unpin(pins)?)
    }

    fn flow_events(&mut self) -> Result<Vec<(FlowEvent, u64)>, DataplaneError> {
        Ok(self.flows.events()?)
    }

    fn sketch(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, DataplaneError> {
        Ok(self.tables.sketch(of, take)?)
    }

    fn attachments(&self) -> Vec<Attachment> {
        links::attachments(&pins::links(&self.settings.pin_path)).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell where the program is attached");
            Vec::new()
        })
    }

    fn trace(&mut self, flow: Option<Flow>) -> Result<Option<TraceLines>, DataplaneError> {
        match flow {
            Some(flow) => Ok(Some(self.begin_trace(&flow)?)),
            None => Ok(self.end_trace().map(|()| None)?),
        }
    }

    fn capture(&mut self, order: Option<Order>) -> Result<Option<Captures>, DataplaneError> {
        match order {
            Some(order) => Ok(Some(self.begin_capture(order)?)),
            None => Ok(self.end_capture().map(|()| None)?),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // They cost time for every packet. Should this not come to pass, the next agent replaces the program.
        if let Err(error) = self.end_capture().and_then(|()| self.end_trace()) {
            tracing::warn!(%error, "cannot end the packet trace or capture");
        }
    }
}
