//! The way to a target, as its group's packets can go it.

use std::net::IpAddr;

use super::event::{NextHop, NoNextHop};
use super::state::State;
use crate::model::Forwarding;

impl State {
    /// The way by which packets that travel so reach `address`, or why there is none.
    pub(super) fn way_to(&self, address: IpAddr, forwarding: Forwarding) -> Result<NextHop, NoNextHop> {
        let way = self.next_hops.get(&address).cloned().unwrap_or(Err(NoNextHop::Pending))?;
        match (forwarding, way.gateway) {
            // A router would look at the packet's own destination, which is the VIP, and send it back.
            (Forwarding::L2, Some(gateway)) => Err(NoNextHop::BehindRouter { gateway }),
            _ => Ok(way),
        }
    }
}
