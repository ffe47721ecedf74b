//! A rare packet on its way to a target.

use aya_ebpf::programs::XdpContext;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Family, Network};
use nlb_common::packet::{NotOurs, Stop};
use nlb_common::tables::Target;
use nlb_ebpf::count;
use nlb_ebpf::door::PacketDoor;

use super::super::maps::{LISTENER_COUNTERS, TARGET_COUNTERS};
use super::super::{encapsulation, l2, transmit};
use super::route::Route;

/// Sends the packet whole to the route's target, as the fast path would, and counts it. By GUE it names no second target: who
/// could be asked for a flow needs its ports. `opens`: it begins a flow.
#[inline(always)]
pub(super) fn forward<F: Family>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
    route: &Route,
    opens: bool,
) -> Result<u32, Stop> {
    let way_out = transmit::way_out(ctx, route.target);
    match route.target.forwarding() {
        Target::GUE => encapsulation::wrap_gue::<F>(ctx, link, network, route.index, route.target, 0, route.hash)?,
        Target::L2 => l2::readdress(ctx, link, route.index)?,
        Target::NAT | Target::NAT_SOURCE => return Err(Stop::Pass(NotOurs::Translated)),
        _ => encapsulation::wrap::<F>(door, link, network, route.target, route.hash, way_out)?,
    }
    count::add(&LISTENER_COUNTERS, route.claim.counters(), network.length, opens);
    count::add(&TARGET_COUNTERS, route.index, network.length, opens);
    Ok(transmit::send(way_out))
}
