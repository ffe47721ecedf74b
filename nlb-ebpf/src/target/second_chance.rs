//! Is this packet's connection another target's? Then it goes there.
//!
//! An edge without memory of a connection (it was restarted, or took over from another) may send the connection's packets to
//! the wrong one of two targets, while a change of targets is in transition. A GUE header names the other one. A TCP packet
//! that opens nothing, and that no socket here knows, is sent on to it as it came, with another outer destination and
//! a hop less, so that the second target keeps what it gets.
//!
//! An ICMP error about a connection goes the same way: it belongs to whom the packet belongs that it quotes.
//!
//! A packet is this host's when a socket has it in whatever state (one that ends, or that has only begun, too), or when it is
//! the answer to a SYN cookie of a socket that listens here.
//!
//! The way to the other target is asked of the FIB, for a packet as this host's own: `bpf_fib_lookup` gives no answer on an
//! interface that doesn't forward, and a target host is no router, so it is asked for `lo`, where forwarding means nothing.
//! What goes out of the interface that it came in by keeps its VLAN tags; one with tags always does, for those name the
//! VLAN that targets and edges share.
#![expect(clippy::cast_possible_truncation, reason = "helpers' sizes, which are those of headers, and their answers")]

use core::mem::zeroed;

use aya_ebpf::bindings::{
    BPF_F_CURRENT_NETNS, BPF_FIB_LKUP_RET_NO_NEIGH, bpf_fib_lookup as FibLookup, bpf_sock, xdp_action,
};
use aya_ebpf::helpers::{bpf_fib_lookup, bpf_redirect, bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_check_syncookie};
use aya_ebpf::{EbpfContext as _, programs::XdpContext};
use nlb_common::address::Address;
use nlb_common::counters::DecapOutcome;
use nlb_common::hash::Flow;
use nlb_common::icmp::{Control, quote};
use nlb_common::packet::Door as _;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{V4, V6};
use nlb_common::packet::transport::{self, Segment};
use nlb_common::tunnel::Received;
use nlb_common::tunnel::gue::{self, SendOn};
use nlb_common::wire::{Header, Ipv4, Ipv6, Tcp, protocol};
use nlb_ebpf::door::PacketDoor;

use super::Verdict;
use super::maps::SECOND_TARGETS;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP_LISTEN: u32 = 10;
/// `lo`, in every network namespace.
const LOOPBACK: u32 = 1;

/// Sends the packet on, if it is another target's. Otherwise gives how it is counted once it is out of its tunnel.
#[inline(always)]
pub(super) fn take<O: SendOn>(
    ctx: &XdpContext,
    door: &mut PacketDoor<'_>,
    link: &Link,
    tunnel: &Received,
) -> Result<DecapOutcome, Verdict> {
    const OURS: Result<DecapOutcome, Verdict> = Ok(DecapOutcome::Decapsulated);
    let Some((second_at, second)) = gue::second::<O, _>(door, link.length, tunnel) else { return OURS };
    let Some(address) = second.address() else { return OURS };
    let ours = if tunnel.protocol == protocol::IPV4 {
        is_ours::<V4, Ipv4>(ctx, door, tunnel)
    } else {
        is_ours::<V6, Ipv6>(ctx, door, tunnel)
    };
    if ours {
        return OURS;
    }
    // Also when it is known: the kernel doesn't see that it is used, and would forget it.
    SECOND_TARGETS.insert(O::address(address), 0, 0).ok();
    let way = match way_to(ctx, O::address(address)) {
        Ok(way) => way,
        Err(BPF_FIB_LKUP_RET_NO_NEIGH) => return Err(Verdict::drop(DecapOutcome::SecondChanceWaits)),
        Err(_) => return Ok(DecapOutcome::SecondChanceLost),
    };
    // All of it was read before; the verifier asks.
    const MALFORMED: Verdict = Verdict::drop(DecapOutcome::Malformed);
    let outer = door.header::<O>(link.length).ok_or(MALFORMED)?.redirected(address);
    door.write(0, [way.dmac, way.smac]).ok_or(MALFORMED)?;
    door.write(link.length, outer).ok_or(MALFORMED)?;
    door.write(gue::checksum_at::<O>(link.length), [0_u8; 2]).ok_or(MALFORMED)?;
    door.write(second_at, second.after_hop()).ok_or(MALFORMED)?;
    let same = link.tags() > 0 || way.ifindex as usize == ctx.ingress_ifindex();
    // SAFETY: the helper only notes the interface; without flags it always answers XDP_REDIRECT.
    let action = if same { xdp_action::XDP_TX } else { unsafe { bpf_redirect(way.ifindex, 0) as u32 } };
    Err(Verdict { action, outcome: Some(DecapOutcome::SecondChance) })
}

/// Whether the packet inside the tunnel stays here. What isn't about TCP does, or is broken, or opens a connection.
#[inline(always)]
fn is_ours<F: Control, I: Header>(ctx: &XdpContext, door: &PacketDoor<'_>, tunnel: &Received) -> bool {
    let Ok(network) = F::read(door, tunnel.payload) else { return true };
    if network.length > tunnel.payload_length {
        return true;
    }
    if network.protocol == F::CONTROL {
        return match quote::flow::<F, _>(door, &network) {
            Some(flow) if flow.protocol == protocol::TCP => has_socket(ctx, &flow),
            _ => true,
        };
    }
    if network.protocol != protocol::TCP {
        return true;
    }
    let Ok(transport) = transport::read(door, &network) else { return true };
    if transport.segment != Segment::Continues {
        return true;
    }
    let (Some(ip), Some(tcp)) = (door.header::<I>(tunnel.payload), door.header::<Tcp>(network.payload)) else {
        return true;
    };
    is_known(ctx, &transport::flow(&network, &transport), *ip, *tcp)
}

/// Whether a socket of this host knows the flow, or listens for it and gave it a SYN cookie.
#[inline(always)]
fn is_known<I: Header>(ctx: &XdpContext, flow: &Flow, mut ip: I, mut tcp: Tcp) -> bool {
    any_socket(ctx, flow, |listens| {
        let (ip, tcp) = ((&raw mut ip).cast(), (&raw mut tcp).cast());
        // SAFETY: both headers lie on this program's stack, with those lengths.
        unsafe { bpf_tcp_check_syncookie(listens.cast(), ip, size_of::<I>() as u32, tcp, size_of::<Tcp>() as u32) == 0 }
    })
}

/// Whether a socket of this host has the flow: one that only listens for it doesn't.
#[inline(always)]
fn has_socket(ctx: &XdpContext, flow: &Flow) -> bool {
    any_socket(ctx, flow, |_| false)
}

/// Whether there is a socket for the flow; of one that only listens, what is said of it.
#[inline(always)]
fn any_socket(ctx: &XdpContext, flow: &Flow, if_it_listens: impl FnOnce(*mut bpf_sock) -> bool) -> bool {
    let ports = [flow.source_port, flow.destination_port];
    let socket = if flow.destination.is_v4() {
        lookup(ctx, Tuple { source: flow.source.0[3], destination: flow.destination.0[3], ports })
    } else {
        lookup(ctx, Tuple { source: flow.source, destination: flow.destination, ports })
    };
    if socket.is_null() {
        return false;
    }
    // SAFETY: the kernel gave the socket, and keeps it until it is released.
    let is_one = unsafe { (*socket).state } != TCP_LISTEN || if_it_listens(socket);
    // SAFETY: it is not looked at any more.
    unsafe { bpf_sk_release(socket.cast()) };
    is_one
}

/// A flow as `bpf_skc_lookup_tcp` takes it, in the direction of the packet.
#[repr(C)]
struct Tuple<A> {
    source: A,
    destination: A,
    ports: [u16; 2],
}

/// The socket of a flow, or one that listens for it. Not null: it must be released.
#[inline(always)]
fn lookup<A>(ctx: &XdpContext, mut tuple: Tuple<A>) -> *mut bpf_sock {
    const HERE: u64 = BPF_F_CURRENT_NETNS as i64 as u64;
    let size = size_of::<Tuple<A>>() as u32;
    // SAFETY: the tuple lies on this program's stack, with that length, which tells the kernel the family.
    unsafe { bpf_skc_lookup_tcp(ctx.as_ptr(), (&raw mut tuple).cast(), size, HERE, 0) }
}

/// The way to another host, or the kernel's number for why there is none.
#[inline(always)]
fn way_to(ctx: &XdpContext, destination: Address) -> Result<FibLookup, u32> {
    // SAFETY: integers, and unions of them: zero is a value.
    let mut way: FibLookup = unsafe { zeroed() };
    way.ifindex = LOOPBACK;
    way.l4_protocol = protocol::UDP;
    if destination.is_v4() {
        way.family = AF_INET;
        way.__bindgen_anon_4.ipv4_dst = destination.0[3];
    } else {
        way.family = AF_INET6;
        way.__bindgen_anon_4.ipv6_dst = destination.0;
    }
    // SAFETY: `way` lies on this program's stack, with that length.
    match unsafe { bpf_fib_lookup(ctx.as_ptr(), &raw mut way, size_of::<FibLookup>() as i32, 0) } {
        0 => Ok(way),
        why => Err(why as u32),
    }
}
