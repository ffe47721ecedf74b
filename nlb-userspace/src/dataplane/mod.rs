//! The tables that the packet path reads, as the agent sees them.
//!
//! Only this folder knows aya. The rest of the agent computes [`Tables`], compares them with what is there, and hands
//! the difference to a [`Dataplane`] as [`Write`]s, in an order that never leaves a name pointing at nothing.

mod captured;
mod error;
mod flows;
mod kernel;
mod memory;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nlb_common::active::Sketch;
use nlb_common::address::Address;
use nlb_common::capture::Order;
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::guard::Refused;
use nlb_common::hash::Flow;
use nlb_common::quic::{QuicRule, ServerKey};
use nlb_common::ranges::RangesKey;
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};
use nlb_common::way::WayOutcome;

pub use captured::{CaptureEvent, CapturedFrame, CapturedPacket, Captures};
pub use error::DataplaneError;
pub use flows::{FlowTable, PinBatch, PinPlace, Pins};
pub use kernel::{
    Detached, EarlyFragments, Frame, Kernel, KernelError, KernelSettings, Mapped, PinnedSet, Status, TargetHost,
    TargetTables, detach, seed_in_force, status, target_tables,
};
pub use memory::Memory;
pub use places::path_to_free;

use crate::active::ActiveReading;
use crate::model::{AccessList, XdpMode};

/// Everything the packet path reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Listeners by address, protocol and ports.
    pub listeners: BTreeMap<ListenerKey, Listener>,
    /// The listeners' addresses.
    pub vips: BTreeMap<Address, Vip>,
    /// Addresses that no tunnel may lead to from outside.
    pub shielded: BTreeSet<Address>,
    /// Groups by index.
    pub groups: BTreeMap<u32, Group>,
    /// Targets by index.
    pub targets: BTreeMap<TargetIndex, Target>,
    /// Each group's ring, by the group's index: as many slots as `slot_mask` says.
    pub rings: BTreeMap<u32, Arc<[Slot]>>,
    /// Access lists by number.
    pub access: BTreeMap<u32, Arc<AccessList>>,
    /// Targets of QUIC's listeners, by the server ids in connection ids.
    pub quic_servers: BTreeMap<ServerKey, TargetIndex>,
}

impl Tables {
    /// The listener that takes `flow`: the one of its port, or else the narrowest range that holds the port.
    pub fn listener_of(&self, flow: &Flow) -> Option<&Listener> {
        let key = ListenerKey::of(flow);
        self.listeners.get(&key).or_else(|| {
            let of_same_place = |(other, _): &(&ListenerKey, &Listener)| RangesKey::of(other) == RangesKey::of(&key);
            let wider = self.listeners.range(ListenerKey { more_ports: 1, port: 0, ..key }..).take_while(of_same_place);
            let mut covering = wider.filter(|(range, _)| range.covers(u16::from_be(flow.destination_port)));
            covering.next().map(|(_, listener)| listener)
        })
    }

    /// The listeners of many ports, as they stand together in the kernel's table.
    pub fn ranges(&self) -> BTreeMap<RangesKey, Vec<(ListenerKey, Listener)>> {
        let mut ranges = BTreeMap::<_, Vec<_>>::new();
        for (key, listener) in self.listeners.iter().filter(|(key, _)| key.has_more_ports()) {
            ranges.entry(RangesKey::of(key)).or_default().push((*key, *listener));
        }
        ranges
    }
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A target's entry.
    Target {
        /// Index in the target table.
        index: TargetIndex,
        /// The entry.
        value: Target,
        /// The index names another target than before: its counters begin at zero.
        fresh: bool,
    },
    /// Slots by their index in the slot table, each one atomic store.
    Slots(Vec<(u32, Slot)>),
    /// A group's entry.
    Group {
        /// Index in the group table.
        index: u32,
        /// The entry.
        value: Group,
    },
    /// A whole access list under a number that no listener names.
    AccessList {
        /// Its number.
        number: u32,
        /// What it says.
        list: Arc<AccessList>,
    },
    /// The entry of a listener of one port.
    Listener {
        /// Address, protocol and port.
        key: ListenerKey,
        /// The entry.
        value: Listener,
        /// Its counters' index served another listener before: they begin at zero.
        fresh: bool,
    },
    /// The listeners of many ports of an address and protocol, in the place of those that there were; none: they are gone.
    Ranges {
        /// Address and protocol.
        key: RangesKey,
        /// All of them, in the order of their keys.
        listeners: Vec<(ListenerKey, Listener)>,
        /// Counters' indexes that served other listeners before: they begin at zero.
        fresh: Vec<u32>,
    },
    /// A VIP's entry.
    Vip {
        /// The address.
        address: Address,
        /// The entry.
        value: Vip,
    },
    /// No tunnel may lead to the address from outside.
    Shield(Address),
    /// Any may.
    Unshield(Address),
    /// A target of a listener of QUIC.
    QuicServer {
        /// The listener, and the server that connection ids name.
        key: ServerKey,
        /// Index in the target table.
        target: TargetIndex,
    },
    /// No connection id names the target any more.
    RemoveQuicServer(ServerKey),
    /// No listener has the address any more.
    RemoveVip(Address),
    /// The listener of one port is gone.
    RemoveListener(ListenerKey),
    /// No listener names the access list any more.
    RemoveAccessList(u32),
    /// The group is gone; its entry becomes zero.
    RemoveGroup(u32),
    /// The target is gone; its entry becomes zero.
    RemoveTarget(TargetIndex),
}

/// Counters summed over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterReading {
    /// By `Listener::counters`.
    pub listeners: BTreeMap<u32, Counters>,
    /// What listeners' guards have refused, by `Listener::counters`.
    pub refused: BTreeMap<u32, Refused>,
    /// By target index.
    pub targets: BTreeMap<TargetIndex, Counters>,
    /// Packets, in the order of [`DropReason::ALL`].
    pub drops: Vec<(DropReason, u64)>,
    /// What rare packets' ways did with them, in the order of [`WayOutcome::ALL`].
    pub way_outcomes: Vec<(WayOutcome, u64)>,
    /// Packets of QUIC, in the order of [`QuicRule::ALL`].
    pub quic_rules: Vec<(QuicRule, u64)>,
    /// What the flow tables are used for, as [`Dataplane::flow_events`] tells it; whoever reads both puts it here.
    pub flow_events: Vec<(FlowEvent, u64)>,
    /// Active flows, which are estimated of [`Dataplane::sketch`]; whoever does that puts them here.
    pub active: ActiveReading,
}

/// Whose flows a sketch is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SketchOf {
    /// A listener's, by `Listener::sketch`.
    Listener(u32),
    /// A target's, by its index.
    Target(TargetIndex),
}

/// Where the program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Interface name.
    pub interface: String,
    /// Mode the program runs in.
    pub mode: XdpMode,
    /// The kernel's id of the program.
    pub program_id: u32,
}

/// The lines of a per-packet trace, as they come. Those that nobody takes in time are lost.
pub type TraceLines = tokio::sync::mpsc::Receiver<String>;

/// The packet path's tables: the kernel's, or a twin in memory for tests and simulations.
pub trait Dataplane: Send {
    /// Reads all tables. Called once at the start: what is found is adopted.
    fn read(&mut self) -> Result<Tables, DataplaneError>;

    /// Carries out `writes` in their order. On an error the rest is not done; the caller reads the tables again.
    fn apply(&mut self, writes: &[Write]) -> Result<(), DataplaneError>;

    /// Lets packets see what has been prepared: called once after the first [`apply`](Self::apply), when the tables are
    /// whole, and again after a change of interfaces. Until then an earlier agent's program and tables serve.
    fn activate(&mut self) -> Result<(), DataplaneError>;

    /// Reads the counters of the given listeners (by `Listener::counters`) and targets, and all drops.
    fn counters(&mut self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, DataplaneError>;

    /// Reads some `limit` pins: the first of a new sweep, or those behind `after`, which is what the call before gave and
    /// may have been removed since. A pin that is there throughout a sweep is seen in it; one that comes or goes meanwhile, perhaps.
    fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, DataplaneError>;

    /// The pin of one flow, half-open ones included; `None` when nothing is remembered of it.
    fn pin_of(&mut self, flow: &Flow) -> Result<Option<Pin>, DataplaneError>;

    /// Removes pins. One that is gone already is no error.
    fn unpin(&mut self, pins: &[PinPlace]) -> Result<(), DataplaneError>;

    /// What the flow tables are used for, in the order of [`FlowEvent::ALL`].
    fn flow_events(&mut self) -> Result<Vec<(FlowEvent, u64)>, DataplaneError>;

    /// The flows whose packets came since the sketch was last taken, and by wish takes them: it begins anew. `None` when there
    /// is no such sketch.
    fn sketch(&mut self, of: SketchOf, take: bool) -> Result<Option<Box<Sketch>>, DataplaneError>;

    /// Where the program is attached now.
    fn attachments(&self) -> Vec<Attachment>;

    /// Switches the per-packet trace to `flow`, or off. Zero fields of the flow match everything. The lines of a trace end
    /// when the next one begins or the trace is switched off; who no longer wants them switches it off.
    fn trace(&mut self, flow: Option<Flow>) -> Result<Option<TraceLines>, DataplaneError>;

    /// Switches a capture on, or off. Its packets end when the next one begins or it is switched off; who no longer wants them
    /// switches it off. How long the order holds is the dataplane's to say.
    fn capture(&mut self, order: Option<Order>) -> Result<Option<Captures>, DataplaneError>;
}
