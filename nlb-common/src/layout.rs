//! Names of programs and maps, and the version of their layout.
//!
//! Maps are pinned below a directory that carries [`LAYOUT_VERSION`]: an agent adopts the maps of its own version and
//! never reads another's. Whoever changes a key, a value, a map's type or the meaning of a field raises the version.

/// Version of everything in this crate that stands in a map.
pub const LAYOUT_VERSION: u32 = 11;

/// The edge's program and its maps.
pub mod edge {
    /// The XDP program.
    pub const PROGRAM: &str = "nlb_edge";
    /// The XDP program that captures packets, in the place of [`PROGRAM`] while somebody looks.
    pub const CAPTURE: &str = "nlb_capture";
    /// Array of [`Entry`](crate::listener::Entry): every listener at one of its two places.
    pub const LISTENERS: &str = "LISTENERS";
    /// Hash of [`RangesKey`](crate::ranges::RangesKey) to [`Ranges`](crate::ranges::Ranges): listeners of many ports.
    pub const RANGES: &str = "RANGES";
    /// Longest-prefix match of [`Address`](crate::address::Address) to [`Gateway`](crate::gateway::Gateway).
    pub const GATEWAYS: &str = "GATEWAYS";
    /// Array of [`Group`](crate::tables::Group). Only the agents use it.
    pub const GROUPS: &str = "GROUPS";
    /// Array of [`Slot`](crate::slot::Slot), mapped into the agent's memory: all rings, one after the other.
    pub const SLOTS: &str = "SLOTS";
    /// Array of [`Target`](crate::tables::Target).
    pub const TARGETS: &str = "TARGETS";
    /// Hash of [`Address`](crate::address::Address) to [`Vip`](crate::tables::Vip): every address that a listener has.
    pub const VIPS: &str = "VIPS";
    /// Hash of [`Address`](crate::address::Address) to nothing (`u8`): where no tunnel may lead from outside: VIPs, and targets
    /// that the edges' own tunnels lead to.
    pub const SHIELDED: &str = "SHIELDED";
    /// Hash of [`ServerKey`](crate::quic::ServerKey) to `u32`, a target's index: who is named by QUIC's connection ids.
    pub const QUIC_SERVERS: &str = "QUIC_SERVERS";
    /// Per-CPU array of `u64` packets, by [`QuicRule`](crate::quic::QuicRule).
    pub const QUIC_RULES: &str = "QUIC_RULES";
    /// Array of `u64`, mapped into the agent's memory: a bit for each address that is a VIP, shielded, or a target's whose
    /// flows are translated, as [`known`](crate::known) says.
    pub const KNOWN: &str = "KNOWN";
    /// Program array, by [`Way`](crate::way::Way): the programs that rare packets are handed to. Their names are
    /// [`Way::program`](crate::way::Way::program). Behind them stands [`Way::BALANCER`](crate::way::Way::BALANCER).
    pub const WAYS: &str = "WAYS";
    /// Per-CPU array of `u64` packets, by [`WayOutcome`](crate::way::WayOutcome).
    pub const WAY_OUTCOMES: &str = "WAY_OUTCOMES";
    /// Per-CPU array of [`Counters`](crate::counters::Counters), by `Listener::counters`.
    pub const LISTENER_COUNTERS: &str = "LISTENER_COUNTERS";
    /// Per-CPU array of [`Counters`](crate::counters::Counters), by target index.
    pub const TARGET_COUNTERS: &str = "TARGET_COUNTERS";
    /// Array of [`Row`](crate::active::Row), mapped into the agent's memory: the sketches by `Listener::sketch`, a
    /// [`row`](crate::active::row) for each of their levels.
    pub const LISTENER_FLOWS: &str = "LISTENER_FLOWS";
    /// The same by target index. May be of fewer sketches than there are targets.
    pub const TARGET_FLOWS: &str = "TARGET_FLOWS";
    /// Per-CPU array of `u64` packets, by [`DropReason`](crate::drop_reason::DropReason).
    pub const DROPS: &str = "DROPS";
    /// LRU hash of [`Flow`](crate::hash::Flow) to [`Pin`](crate::flow::Pin): TCP flows of which only SYNs were seen. Small,
    /// so that a flood of SYNs pushes out nothing but other half-open flows.
    pub const HALF_OPEN: &str = "HALF_OPEN";
    /// Hash of [`Flow`](crate::hash::Flow) to [`Pin`](crate::flow::Pin): TCP flows that are open. Takes memory as it grows.
    pub const ESTABLISHED: &str = "ESTABLISHED";
    /// LRU hash of [`Flow`](crate::hash::Flow) to [`Pin`](crate::flow::Pin): flows of UDP and SCTP, and of what
    /// gateways take but for TCP.
    pub const DATAGRAMS: &str = "DATAGRAMS";
    /// LRU hash of [`Flow`](crate::hash::Flow) to [`Session`](crate::nat::Session): translated flows that are no more than an
    /// attempt yet. Two entries for each.
    pub const NAT_NEW: &str = "NAT_NEW";
    /// Hash of [`Flow`](crate::hash::Flow) to [`Session`](crate::nat::Session): translated flows that are open. Two entries for
    /// each. Takes memory as it grows.
    pub const NAT_FLOWS: &str = "NAT_FLOWS";
    /// LRU hash of [`DatagramKey`](crate::datagram::DatagramKey) to [`Datagram`](crate::datagram::Datagram): what the first
    /// fragment of a datagram said about those that follow.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Ring buffer of [`Early`](crate::datagram::Early): fragments that came before their datagram's first one.
    pub const EARLY_FRAGMENTS: &str = "EARLY_FRAGMENTS";
    /// Per-CPU array of `u64`, by [`FlowEvent`](crate::flow::FlowEvent).
    pub const FLOW_EVENTS: &str = "FLOW_EVENTS";
    /// Longest-prefix match of [`Member`](crate::guard::Member) to `u8`: the access lists of all listeners.
    pub const ACCESS: &str = "ACCESS";
    /// LRU hash of [`Source`](crate::guard::Source) to [`Bucket`](crate::bucket::Bucket): who has begun flows.
    pub const SOURCES: &str = "SOURCES";
    /// Array of [`Guard`](crate::guard::Guard), by `Listener::counters`, mapped into the agent's memory.
    pub const GUARDS: &str = "GUARDS";
    /// Per-CPU array of [`Refused`](crate::guard::Refused), by `Listener::counters`.
    pub const LISTENER_REFUSED: &str = "LISTENER_REFUSED";
    /// Array of one [`Flow`](crate::hash::Flow): the flow that is traced while [`TRACE`] is set.
    pub const TRACED_FLOW: &str = "TRACED_FLOW";
    /// Array of one [`Order`](crate::capture::Order): what is captured.
    pub const CAPTURE_ORDER: &str = "CAPTURE_ORDER";
    /// Ring buffer of [`Record`](crate::capture::Record) with the bytes of frames: what was captured.
    pub const CAPTURED: &str = "CAPTURED";
    /// Per-CPU array of one `u64`: packets that were to be captured and found the ring buffer full.
    pub const CAPTURE_LOST: &str = "CAPTURE_LOST";
    /// Array of one `u64`: the seed that the running program's keys were made from, for the next agent.
    pub const SEED: &str = "SEED";

    /// Constant set at load: the [`HashKeys`](crate::hash::HashKeys).
    pub const HASH_KEYS: &str = "HASH_KEYS";
    /// Constant set at load: the [`shift`](crate::listener::shift_of) that belongs to the size of [`LISTENERS`].
    pub const LISTENER_SHIFT: &str = "LISTENER_SHIFT";
    /// Constant set at load: of how many sketches [`LISTENER_FLOWS`] is.
    pub const LISTENER_SKETCHES: &str = "LISTENER_SKETCHES";
    /// Constant set at load: of how many sketches [`TARGET_FLOWS`] is.
    pub const TARGET_SKETCHES: &str = "TARGET_SKETCHES";
    /// Constant set at load: 1 compiles the per-packet trace in, 0 leaves it out.
    pub const TRACE: &str = "TRACE";

    /// Maps that are pinned and that the next agent adopts.
    pub const PINNED: &[&str] = &[
        LISTENERS,
        RANGES,
        GATEWAYS,
        GROUPS,
        SLOTS,
        TARGETS,
        VIPS,
        SHIELDED,
        QUIC_SERVERS,
        QUIC_RULES,
        KNOWN,
        WAYS,
        WAY_OUTCOMES,
        LISTENER_COUNTERS,
        TARGET_COUNTERS,
        LISTENER_FLOWS,
        TARGET_FLOWS,
        DROPS,
        HALF_OPEN,
        ESTABLISHED,
        DATAGRAMS,
        NAT_NEW,
        NAT_FLOWS,
        FRAGMENTS,
        EARLY_FRAGMENTS,
        FLOW_EVENTS,
        ACCESS,
        SOURCES,
        GUARDS,
        LISTENER_REFUSED,
        TRACED_FLOW,
        SEED,
    ];
}

/// The target host's program and its maps.
pub mod target {
    /// The XDP program.
    pub const PROGRAM: &str = "nlb_target";
    /// Longest-prefix match of 16-byte addresses: the edges whose tunnel packets are taken.
    pub const EDGES: &str = "EDGES";
    /// Hash of [`Address`](crate::address::Address) to nothing (`u8`): this host's own addresses.
    pub const LOCAL_ADDRESSES: &str = "LOCAL_ADDRESSES";
    /// Per-CPU array of `u64` packets, by [`DecapOutcome`](crate::counters::DecapOutcome).
    pub const OUTCOMES: &str = "OUTCOMES";
    /// LRU hash of [`Address`](crate::address::Address) to nothing (`u8`): other targets that packets were to be sent on to.
    /// The program puts them in, the agent takes them out and sees to it that their MAC addresses are known.
    pub const SECOND_TARGETS: &str = "SECOND_TARGETS";
    /// Maps that are pinned.
    pub const PINNED: &[&str] = &[EDGES, LOCAL_ADDRESSES, OUTCOMES, SECOND_TARGETS];
}
