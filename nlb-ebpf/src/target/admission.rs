//! Is this a tunnel packet to us, and from an edge?
//!
//! Taking a packet out of a tunnel lets its sender choose the source address that the stack sees. Nobody but an edge may.

use aya_ebpf::maps::lpm_trie::Key;
use nlb_common::counters::DecapOutcome;
use nlb_common::packet::network::Network;
use nlb_common::tunnel::{Malformed, Received, gue};
use nlb_common::wire::protocol;
use nlb_ebpf::door::PacketDoor;

use super::Verdict;
use super::maps::{EDGES, LOCAL_ADDRESSES};

/// Lets through what an edge sent to this host in a tunnel: where the packet inside is. Only GUE's outer protocol is UDP.
#[inline(always)]
pub(super) fn admit(door: &PacketDoor<'_>, outer: &Network) -> Result<Received, Verdict> {
    let is_gue = gue::is_gue(door, outer);
    if !is_gue && outer.protocol != protocol::IPV4 && outer.protocol != protocol::IPV6 {
        return Err(Verdict::NOT_OURS);
    }
    if LOCAL_ADDRESSES.get_ptr(&outer.destination).is_none() {
        return Err(Verdict::NOT_OURS);
    }
    let source = Key::new(128, outer.source);
    if EDGES.get(&source).is_none() {
        return Err(Verdict::pass(DecapOutcome::UnknownEdge));
    }
    if is_gue {
        return gue::read(door, outer).map_err(|Malformed| Verdict::drop(DecapOutcome::Malformed));
    }
    let Network { protocol, payload, payload_length, .. } = *outer;
    Ok(Received { protocol, payload, payload_length })
}
