//! The target host's program: whose tunnels it opens and where they end. It outlives this process as the edge's does, by
//! the same pins and links.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::Path;

use aya::EbpfLoader;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError, PerCpuArray};
use aya::programs::ProgramFd;
use ipnet::IpNet;
use nlb_common::address::Address;
use nlb_common::counters::DecapOutcome;
use nlb_common::layout::target::{EDGES, LOCAL_ADDRESSES, OUTCOMES, SECOND_TARGETS};

use super::links::Links;
use super::object::{Blueprint, Loaded};
use super::pins::Root;
use super::{KernelError, bpffs, interface, preflight};
use crate::dataplane::DataplaneError;
use crate::model::XdpMode;

/// An IPv4 prefix as one of IPv4-mapped addresses.
const V4_MAPPED_BITS: u8 = 96;

type Edges = LpmTrie<MapData, Address, u8>;
type TunnelEnds = HashMap<MapData, Address, u8>;
type SecondTargets = HashMap<MapData, Address, u8>;

/// The target host's program. Dropping it leaves the kernel as it is.
pub struct TargetHost {
    root: Root,
    blueprint: Blueprint,
    program: ProgramFd,
    edges: Edges,
    tunnel_ends: TunnelEnds,
    second_targets: SecondTargets,
    links: Links,
}

/// What the tables of a target host hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetTables {
    /// Whose tunnel packets are opened.
    pub edges: BTreeSet<IpNet>,
    /// The addresses that tunnels end at.
    pub tunnel_ends: BTreeSet<IpAddr>,
    /// Tunnel packets by what was done with them, summed over CPUs, in the order of [`DecapOutcome::ALL`].
    pub outcomes: Vec<(DecapOutcome, u64)>,
}

impl TargetHost {
    /// Adopts the tables below `pin_path`, or makes them, and loads the program over them. Packets see nothing of it
    /// before [`attach`](Self::attach).
    ///
    /// # Errors
    /// As for the edge: old kernel, missing capabilities, no bpffs, another agent with this pin path.
    pub fn open(pin_path: &Path) -> Result<Self, DataplaneError> {
        preflight::check()?;
        bpffs::ensure(pin_path)?;
        let root = Root::take(pin_path)?;
        let blueprint = Blueprint::target()?;
        let Loaded { mut object, program } = blueprint.load(&root.set(&blueprint.name()), EbpfLoader::new())?;
        let mut map = |name| object.take_map(name).ok_or(KernelError::NotInObject { name });
        let edges = Edges::try_from(map(EDGES)?).map_err(at("open", EDGES))?;
        let tunnel_ends = TunnelEnds::try_from(map(LOCAL_ADDRESSES)?).map_err(at("open", LOCAL_ADDRESSES))?;
        let second_targets = SecondTargets::try_from(map(SECOND_TARGETS)?).map_err(at("open", SECOND_TARGETS))?;
        let links = Links::new(root.links()?);
        Ok(Self { root, blueprint, program, edges, tunnel_ends, second_targets, links })
    }

    /// Opens the tunnels of these edges and no others.
    ///
    /// # Errors
    /// The table is full, or the kernel refuses.
    pub fn set_edges(&mut self, edges: &BTreeSet<IpNet>) -> Result<(), DataplaneError> {
        let wanted: BTreeSet<_> = edges.iter().map(prefix).collect();
        let held = held_edges(&self.edges)?;
        for &(bits, address) in wanted.difference(&held) {
            self.edges.insert(&Key::new(bits, address), 1, 0).map_err(at("add to", EDGES))?;
        }
        for &(bits, address) in held.difference(&wanted) {
            self.edges.remove(&Key::new(bits, address)).map_err(at("remove from", EDGES))?;
        }
        Ok(())
    }

    /// Ends tunnels at these addresses and no others.
    ///
    /// # Errors
    /// The table is full, or the kernel refuses.
    pub fn set_tunnel_ends(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<(), DataplaneError> {
        let wanted: BTreeSet<_> = addresses.iter().map(|&address| Address::from(address)).collect();
        let held = held_ends(&self.tunnel_ends)?;
        for address in wanted.difference(&held) {
            self.tunnel_ends.insert(address, 1, 0).map_err(at("add to", LOCAL_ADDRESSES))?;
        }
        for address in held.difference(&wanted) {
            self.tunnel_ends.remove(address).map_err(at("remove from", LOCAL_ADDRESSES))?;
        }
        Ok(())
    }

    /// Takes out the other targets that packets were sent on to since the last time, or would have been.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn take_second_targets(&mut self) -> Result<Vec<IpAddr>, DataplaneError> {
        let found: Vec<Address> =
            self.second_targets.keys().collect::<Result<_, _>>().map_err(at("read", SECOND_TARGETS))?;
        for address in &found {
            match self.second_targets.remove(address) {
                // The kernel made room for another one meanwhile.
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(at("remove from", SECOND_TARGETS)(error).into()),
            }
        }
        Ok(found.into_iter().map(IpAddr::from).collect())
    }

    /// Sees to it that the program runs on exactly these interfaces, in place of what an earlier process left there. May
    /// be repeated at any time, also when an interface was made anew.
    ///
    /// # Errors
    /// An unknown interface, or a driver that refuses the mode.
    pub fn attach(&mut self, interfaces: &[String], mode: XdpMode) -> Result<(), DataplaneError> {
        let present = interface::list()?;
        for name in interfaces {
            interface::find(&present, name)?;
        }
        self.links.point(self.program.as_fd(), interfaces, mode)?;
        self.root.remove_sets_but(Some(&self.blueprint.name()))?;
        Ok(())
    }
}

/// Reads the tables below `pin_path`, with or without an agent; `None` when there are none of this layout.
///
/// # Errors
/// Missing capabilities, or a table that can't be read.
pub fn target_tables(pin_path: &Path) -> Result<Option<TargetTables>, DataplaneError> {
    if !bpffs::holds(pin_path) || !pin_path.exists() {
        return Ok(None);
    }
    preflight::check()?;
    let blueprint = Blueprint::target()?;
    let set = pin_path.join(blueprint.name());
    if !blueprint.is_complete(&set) {
        return Ok(None);
    }
    let pinned = |name: &'static str| MapData::from_pin(set.join(name)).map_err(at("open", name));
    let edges = Edges::try_from(Map::LpmTrie(pinned(EDGES)?)).map_err(at("open", EDGES))?;
    let ends = TunnelEnds::try_from(Map::HashMap(pinned(LOCAL_ADDRESSES)?)).map_err(at("open", LOCAL_ADDRESSES))?;
    let outcomes =
        PerCpuArray::<_, u64>::try_from(Map::PerCpuArray(pinned(OUTCOMES)?)).map_err(at("open", OUTCOMES))?;
    let counted = |&outcome: &DecapOutcome| {
        let per_cpu = outcomes.get(&(outcome as u32), 0).map_err(at("read", OUTCOMES))?;
        Ok((outcome, per_cpu.iter().fold(0_u64, |sum, count| sum.wrapping_add(*count))))
    };
    Ok(Some(TargetTables {
        edges: held_edges(&edges)?.into_iter().filter_map(net).collect(),
        tunnel_ends: held_ends(&ends)?.into_iter().map(IpAddr::from).collect(),
        outcomes: DecapOutcome::ALL.iter().map(counted).collect::<Result<_, KernelError>>()?,
    }))
}

fn held_edges(edges: &Edges) -> Result<BTreeSet<(u32, Address)>, KernelError> {
    edges
        .keys()
        .map(|key| key.map(|key| (key.prefix_len(), key.data())))
        .collect::<Result<_, _>>()
        .map_err(at("read", EDGES))
}

fn held_ends(ends: &TunnelEnds) -> Result<BTreeSet<Address>, KernelError> {
    ends.keys().collect::<Result<_, _>>().map_err(at("read", LOCAL_ADDRESSES))
}

fn prefix(net: &IpNet) -> (u32, Address) {
    let offset = if net.addr().is_ipv4() { V4_MAPPED_BITS } else { 0 };
    (u32::from(offset + net.prefix_len()), net.network().into())
}

fn net((bits, address): (u32, Address)) -> Option<IpNet> {
    let bits = u8::try_from(bits).ok()?;
    IpNet::new(address.into(), if address.is_v4() { bits.checked_sub(V4_MAPPED_BITS)? } else { bits }).ok()
}

fn at(action: &'static str, table: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Table { action, table, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_both_families_survive_the_table() {
        for (text, bits) in
            [("192.0.2.0/24", 120), ("192.0.2.1/32", 128), ("2001:db8::/32", 32), ("2001:db8::1/128", 128)]
        {
            let edge: IpNet = text.parse().unwrap();
            assert_eq!(prefix(&edge).0, bits);
            assert_eq!(net(prefix(&edge)), Some(edge));
        }
    }
}
