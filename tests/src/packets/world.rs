//! An edge with tables that reach every way out: one listener, group, slot and target for each.

use std::net::IpAddr;

use anyhow::Result;
use nlb_common::address::Address;
use nlb_common::hash::Affinity;
use nlb_common::packet::network::Network as Parsed;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target, Vip};

use super::described::Described;
use super::reference::Tunnel;
use crate::run::{Edge, INGRESS};

/// VIPs of both families.
pub const VIPS: [&str; 2] = ["203.0.113.10", "2001:db8:f::10"];

/// Of the keys of every world.
pub const SEED: u64 = 1;

/// An interface that is not the one that packets come in by. The test run never sends, so it need not exist.
pub const ELSEWHERE: u32 = 7_777;

/// Where the world's targets are: the outer family, and the interface.
pub const WAYS: [(bool, u32); 4] = [(true, INGRESS), (true, ELSEWHERE), (false, INGRESS), (false, ELSEWHERE)];

/// TCP, UDP and SCTP.
pub const PROTOCOLS: [u8; 3] = [6, 17, 132];

/// The port whose listener leads to target `index`.
pub fn port(index: u32) -> u16 {
    8_000 + u16::try_from(index).expect("few targets")
}

/// A target in the way `way` of [`WAYS`].
pub fn target(index: u32) -> Target {
    let (v4, interface) = WAYS[(index - 1) as usize % WAYS.len()];
    let (destination, source) = if v4 { ("10.0.0.77", "10.0.255.1") } else { ("fd00::77:1", "fd00::edce:1") };
    let address = |text: &str| Address::from(text.parse::<IpAddr>().expect("an address"));
    Target {
        tag: 0x7a67 + u64::from(index),
        destination: address(destination),
        source: address(source),
        interface,
        next_hop_mac: [2, 0xaa, 0, 0, 0, 0x11],
        source_mac: [2, 0xbb, 0, 0, 0, 0x22],
        mtu: 3_000,
        flags: Target::READY,
        source_bits: 0,
        port: 8_080_u16.to_be(),
        padding: 0,
    }
}

/// An edge and what its tables hold.
pub struct World {
    /// The edge.
    pub edge: Edge,
    /// Its targets, from number 1 on.
    pub targets: Vec<Target>,
}

impl World {
    /// An edge with a target for each way out, and the same keys for every test: so they need but one for all.
    pub fn new() -> Result<Self> {
        Self::around(Edge::load(SEED)?)
    }

    /// Fills the tables of `edge`.
    pub fn around(edge: Edge) -> Result<Self> {
        let mut world = Self { edge, targets: Vec::new() };
        for index in 1..=u32::try_from(WAYS.len())? {
            world.add(target(index))?;
        }
        Ok(world)
    }

    /// Adds a target with listeners, a group and a ring of one slot of its own. Its number.
    pub fn add(&mut self, target: Target) -> Result<u32> {
        self.targets.push(target);
        let index = u32::try_from(self.targets.len())?;
        self.edge.set_target(index, target)?;
        self.edge.set_slot(index, Slot::closed(index, 0))?;
        let group = Group { tag: 1, first_slot: index, ..Group::default() };
        self.edge.set_group(index, group)?;
        for vip in VIPS {
            let address = Address::from(vip.parse::<IpAddr>()?);
            self.edge.set_vip(address, Some(Vip::default()))?;
            for protocol in PROTOCOLS {
                let key = ListenerKey::new(address, protocol, port(index));
                self.edge.set_listener(key, Listener::new(index, index, &group))?;
            }
        }
        Ok(index)
    }

    /// The tunnel that `packet` should take to target `index`.
    pub fn tunnel(&self, packet: &Described, index: u32) -> Tunnel<'_> {
        self.tunnel_of(self.edge.keys.hash(&packet.flow(), Affinity::Flow), index)
    }

    /// The tunnel to target `index` of a flow with that hash.
    pub fn tunnel_of(&self, hash: u64, index: u32) -> Tunnel<'_> {
        Tunnel { target: &self.targets[index as usize - 1], hash, ingress: INGRESS, second: None }
    }

    /// The target whose listener claims a packet to that address and port, if one does.
    pub fn claims(&self, network: &Parsed, port_in_network_order: u16) -> Option<u32> {
        let vip = VIPS.iter().any(|vip| vip.parse::<IpAddr>().ok() == Some(IpAddr::from(network.destination)));
        let index = u32::from(u16::from_be(port_in_network_order).checked_sub(8_000)?);
        (vip && index >= 1 && index as usize <= self.targets.len()).then_some(index)
    }
}
