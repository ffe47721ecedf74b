//! Every map of the target host. Their names are in `nlb_common::layout::target`; the loader sets how many entries each has.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LpmTrie, LruHashMap, PerCpuArray};
use nlb_common::address::Address;
use nlb_common::counters::DecapOutcome;

/// Networks of the edges whose tunnel packets are taken.
#[map]
pub(super) static EDGES: LpmTrie<Address, u8> = LpmTrie::with_max_entries(1024, 0);

/// This host's own addresses: where its tunnels end.
#[map]
pub(super) static LOCAL_ADDRESSES: HashMap<Address, u8> = HashMap::with_max_entries(256, 0);

/// Tunnel packets to this host, by what was done with them.
#[map]
pub(super) static OUTCOMES: PerCpuArray<u64> = PerCpuArray::with_max_entries(DecapOutcome::COUNT, 0);

/// Other targets that packets were to be sent on to: the agent sees to it that their MAC addresses are known.
#[map]
pub(super) static SECOND_TARGETS: LruHashMap<Address, u8> = LruHashMap::with_max_entries(1024, 0);
