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

/// Sends the packet whole to the route's target, as the fast path would, and counts it. `opens`: it begins a flow.
#[inline(always)]
pub(super) fn forward<F: Family>(
    ctx: &XdpContext,
    door: PacketDoor<'_>,
    link: &Link,
    network: &Network,
    route: &Route,
    opens: bool,
) -> Result<u32, Stop> {
    let &Route { claim, hash, index, target, second } = route;
    let way_out = transmit::way_out(ctx, target);
    match target.forwarding() {
        Target::GUE => encapsulation::wrap_gue::<F>(ctx, link, network, index, target, second, hash)?,
        Target::L2 => l2::readdress(ctx, link, index)?,
        Target::NAT | Target::NAT_SOURCE => return Err(Stop::Pass(NotOurs::Translated)),
        _ => encapsulation::wrap::<F>(door, link, network, target, hash, way_out)?,
    }
    count::add(&LISTENER_COUNTERS, claim.counters(), network.length, opens);
    count::add(&TARGET_COUNTERS, index, network.length, opens);
    Ok(transmit::send(way_out))
}
