//! Is this a tunnel packet to us, and from an edge?
//!
//! Taking a packet out of a tunnel lets its sender choose the source address that the stack sees. Nobody but an edge may.

use aya_ebpf::maps::lpm_trie::Key;
use nlb_common::counters::DecapOutcome;
use nlb_common::packet::network::Network;
use nlb_common::wire::protocol;

use super::Verdict;
use super::maps::{EDGES, LOCAL_ADDRESSES};

/// Lets through what an edge sent to this host in a tunnel.
#[inline(always)]
pub(super) fn admit(outer: &Network) -> Result<(), Verdict> {
    if outer.protocol != protocol::IPV4 && outer.protocol != protocol::IPV6 {
        return Err(Verdict::NotOurs);
    }
    if LOCAL_ADDRESSES.get_ptr(outer.destination).is_none() {
        return Err(Verdict::NotOurs);
    }
    match EDGES.get(Key::new(128, outer.source)) {
        Some(_) => Ok(()),
        None => Err(Verdict::Counted(DecapOutcome::UnknownEdge)),
    }
}
