//! Every map of the edge. Their names are in `nlb_common::layout::edge`; the loader sets how many entries each has.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf};
use nlb_common::active::{LEVELS, Row};
use nlb_common::address::Address;
use nlb_common::bucket::Bucket;
use nlb_common::capture::Order;
use nlb_common::counters::Counters;
use nlb_common::datagram::{Datagram, DatagramKey};
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::gateway::Gateway;
use nlb_common::guard::{Guard, Member, Refused, Source};
use nlb_common::hash::Flow;
use nlb_common::known::WORDS;
use nlb_common::listener::{Entry, LEAST_ENTRIES};
use nlb_common::nat::Session;
use nlb_common::quic::{QuicRule, ServerKey};
use nlb_common::ranges::{Ranges, RangesKey};
use nlb_common::slot::{Slot, TargetIndex};
use nlb_common::tables::{Group, Target, Vip};
use nlb_common::way::{Way, WayOutcome};

use super::capture;
use super::constants::SKETCHES;
use super::flows::Scratch;
use super::way::gateway::Passing;
use super::way::{fragment, nat};

/// Which traffic is accepted, and what becomes of it. Its size goes with the constant `LISTENER_SHIFT`.
#[map]
pub(super) static LISTENERS: Array<Entry> = Array::with_max_entries(LEAST_ENTRIES, BPF_F_MMAPABLE);

/// Listeners of many ports, by address and protocol: looked up for ports that have no listener of their own.
#[map]
pub(super) static RANGES: HashMap<RangesKey, Ranges> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Gateways, by the network that packets are routed to or from. Only ways off the fast path ask for them.
#[map]
pub(super) static GATEWAYS: LpmTrie<Address, Gateway> = LpmTrie::with_max_entries(1024, 0);

/// Target groups: where each one's ring lies, and how its flows are spread. Only the agents use it.
#[map]
pub(super) static GROUPS: Array<Group> = Array::with_max_entries(256, BPF_F_MMAPABLE);

/// All rings, one after the other; the agent writes single slots through shared memory.
#[map]
pub(super) static SLOTS: Array<Slot> = Array::with_max_entries(65_536, BPF_F_MMAPABLE);

/// Targets: outer header and way out of each. Entry 0 is never used.
#[map]
pub(super) static TARGETS: Array<Target> = Array::with_max_entries(1024, BPF_F_MMAPABLE);

/// Addresses of listeners. Only ways off the fast path ask for them.
#[map]
pub(super) static VIPS: HashMap<Address, Vip> = HashMap::with_max_entries(256, BPF_F_NO_PREALLOC);

/// Where no tunnel may lead from outside: VIPs and targets. Only ways off the fast path ask for them.
#[map]
pub(super) static SHIELDED: HashMap<Address, u8> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Targets of listeners of QUIC, by the server ids that connection ids have.
#[map]
pub(super) static QUIC_SERVERS: HashMap<ServerKey, TargetIndex> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Packets of QUIC, by the [`QuicRule`] that chose their targets.
#[map]
pub(super) static QUIC_RULES: PerCpuArray<u64> = PerCpuArray::with_max_entries(QuicRule::COUNT, 0);

/// Addresses that a packet without listener may concern the edge by.
#[map]
pub(super) static KNOWN: Array<u64> = Array::with_max_entries(WORDS, BPF_F_MMAPABLE);

/// The programs that rare packets are handed to, by [`Way`], and the one that balances, behind them.
#[map]
pub(super) static WAYS: ProgramArray = ProgramArray::with_max_entries(Way::PROGRAMS, 0);

/// What the ways did with packets, by [`WayOutcome`].
#[map]
pub(super) static WAY_OUTCOMES: PerCpuArray<u64> = PerCpuArray::with_max_entries(WayOutcome::COUNT, 0);

/// How often each source may still be told what is wrong with its packets. The oldest make room.
#[map]
pub(super) static ANSWERED: LruHashMap<Address, Bucket> = LruHashMap::with_max_entries(4096, 0);

/// What each listener forwarded.
#[map]
pub(super) static LISTENER_COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1024, 0);

/// What each target was sent.
#[map]
pub(super) static TARGET_COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1024, 0);

/// Active flows of each listener that has a sketch of its own.
#[map]
pub(super) static LISTENER_FLOWS: Array<Row> = Array::with_max_entries(SKETCHES * LEVELS, BPF_F_MMAPABLE);

/// Active flows of each target.
#[map]
pub(super) static TARGET_FLOWS: Array<Row> = Array::with_max_entries(SKETCHES * LEVELS, BPF_F_MMAPABLE);

/// Packets dropped, by reason.
#[map]
pub(super) static DROPS: PerCpuArray<u64> = PerCpuArray::with_max_entries(DropReason::COUNT, 0);

/// TCP flows of which only SYNs were seen. Small, and its oldest make room: a flood of SYNs pushes out nothing else.
#[map]
pub(super) static HALF_OPEN: LruHashMap<Flow, Pin> = LruHashMap::with_max_entries(1024, 0);

/// TCP flows that are open. Takes memory for those that are there: most of the time there are none.
#[map]
pub(super) static ESTABLISHED: HashMap<Flow, Pin> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Flows of UDP and SCTP, and of what gateways take but for TCP; the oldest make room.
#[map]
pub(super) static DATAGRAMS: LruHashMap<Flow, Pin> = LruHashMap::with_max_entries(1024, 0);

/// Translated flows, both ways, that are no more than an attempt yet; the oldest make room.
#[map]
pub(super) static NAT_NEW: LruHashMap<Flow, Session> = LruHashMap::with_max_entries(1024, 0);

/// Translated flows, both ways, that are open. Takes memory for those that are there.
#[map]
pub(super) static NAT_FLOWS: HashMap<Flow, Session> = HashMap::with_max_entries(1024, BPF_F_NO_PREALLOC);

/// Working memory of [`way::nat`](super::way::nat).
#[map]
pub(super) static NAT_WORK: PerCpuArray<nat::Work> = PerCpuArray::with_max_entries(1, 0);

/// Where the fragments of a datagram go, of which the first was seen. The oldest make room: entries are needed for milliseconds.
#[map]
pub(super) static FRAGMENTS: LruHashMap<DatagramKey, Datagram> = LruHashMap::with_max_entries(16_384, 0);

/// Fragments that came before their datagram's first one, for the agent to keep: some 500.
#[map]
pub(super) static EARLY_FRAGMENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Working memory of [`way::fragment`](super::way::fragment).
#[map]
pub(super) static FRAGMENT_WORK: PerCpuArray<fragment::Work> = PerCpuArray::with_max_entries(1, 0);

/// Working memory of [`way::gateway`](super::way::gateway).
#[map]
pub(super) static GATEWAY_WORK: PerCpuArray<Passing> = PerCpuArray::with_max_entries(1, 0);

/// What the flow tables are used for, by [`FlowEvent`].
#[map]
pub(super) static FLOW_EVENTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(FlowEvent::COUNT, 0);

/// Access lists, all of them: who may reach a listener.
#[map]
pub(super) static ACCESS: LpmTrie<Member, u8> = LpmTrie::with_max_entries(1024, 0);

/// Buckets of tokens for new flows, one for each source and listener; the oldest make room.
#[map]
pub(super) static SOURCES: LruHashMap<Source, Bucket> = LruHashMap::with_max_entries(1024, 0);

/// What guards each listener.
#[map]
pub(super) static GUARDS: Array<Guard> = Array::with_max_entries(1024, BPF_F_MMAPABLE);

/// What each listener's guard has refused.
#[map]
pub(super) static LISTENER_REFUSED: PerCpuArray<Refused> = PerCpuArray::with_max_entries(1024, 0);

/// Working memory of [`flows`](super::flows).
#[map]
pub(super) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// The flow that is traced; fields that are zero match any.
#[map]
pub(super) static TRACED_FLOW: Array<Flow> = Array::with_max_entries(1, 0);

/// What is captured.
#[map]
pub(super) static CAPTURE_ORDER: Array<Order> = Array::with_max_entries(1, 0);

/// What was captured. A page, until the loader makes room for packets.
#[map]
pub(super) static CAPTURED: RingBuf = RingBuf::with_byte_size(4096, 0);

/// Packets that found [`CAPTURED`] full.
#[map]
pub(super) static CAPTURE_LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Working memory of [`capture`](super::capture).
#[map]
pub(super) static CAPTURE_WORK: PerCpuArray<capture::Work> = PerCpuArray::with_max_entries(1, 0);

/// The seed that `HASH_KEYS` was made from. Only the agents use it.
#[map]
pub(super) static SEED: Array<u64> = Array::with_max_entries(1, 0);
