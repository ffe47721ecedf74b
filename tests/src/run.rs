//! Runs the kernel programs on single packets with `BPF_PROG_TEST_RUN`, on the real kernel and without an interface.
//!
//! Each [`Edge`] and [`TargetHost`] loads its own copy of the program with its own unpinned maps, so that tests run side by
//! side; those that come one after the other in a process share it. The kernel lets packets seem to have come in by the loopback
//! interface: [`INGRESS`].

mod capture;
mod counts;
mod flows;
mod fragments;
mod listeners;
mod shared;
mod target_host;

use std::collections::HashMap as Map;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, HashMap, LpmTrie, Map as AnyMap, MapData, ProgramArray, lpm_trie};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use ipnet::IpNet;
use nlb_common::active::LEVELS;
use nlb_common::address::Address;
use nlb_common::guard::Member;
use nlb_common::hash::{Flow, HashKeys};
use nlb_common::known::Place;
use nlb_common::layout;
use nlb_common::listener::{entries_for, shift_of};
use nlb_common::quic::ServerKey;
use nlb_common::slot::Slot;
use nlb_common::tables::{Listener, ListenerKey, Target, Vip};
use nlb_common::way::Way;
use nlb_userspace::dataplane::Mapped;
use nlb_userspace::programs;

use shared::{Made, Shared};

pub use capture::Captured;
pub use target_host::TargetHost;

/// The interface that packets of a test run come in by: `lo`.
pub const INGRESS: u32 = 1;

/// Sketches of an edge's listeners, and of its targets, if nothing else is said.
const SKETCHES: u32 = 256;

/// The shortest frame that the kernel's test run takes.
pub const SHORTEST: usize = 14;

/// What a program made of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What is to happen to it.
    pub action: Action,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// Nanoseconds that the kernel says one run took.
    pub duration: u32,
}

/// An XDP action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The program failed.
    Aborted,
    /// Thrown away.
    Drop,
    /// To the stack.
    Pass,
    /// Out of the interface it came in by.
    Tx,
    /// Out of another interface.
    Redirect,
}

impl Action {
    fn from_number(number: u32) -> Result<Self> {
        [Self::Aborted, Self::Drop, Self::Pass, Self::Tx, Self::Redirect]
            .get(number as usize)
            .copied()
            .with_context(|| format!("{number} is no XDP action"))
    }
}

/// The edge's program.
pub struct Edge {
    ebpf: Shared,
    /// The keys that it was loaded with.
    pub keys: HashKeys,
    /// The listener table: who stands where.
    places: Map<u32, ListenerKey>,
    listeners: Map<ListenerKey, Listener>,
    shift: u32,
    /// The slot table: rings are written by the thousand.
    slots: Mapped,
}

impl Edge {
    /// Loads the program with the keys of `seed`.
    pub fn load(seed: u64) -> Result<Self> {
        Self::load_with(seed, false)
    }

    /// Loads the program, by wish with the per-packet trace.
    pub fn load_with(seed: u64, trace: bool) -> Result<Self> {
        Self::load_sized(seed, trace, &[])
    }

    /// Loads the program, with room for so many entries, or listeners, in the tables of those names.
    pub fn load_sized(seed: u64, trace: bool, room: &[(&str, u32)]) -> Result<Self> {
        let keys = HashKeys::from_seed(seed);
        let room_of = |name| room.iter().rfind(|(table, _)| *table == name).map(|&(_, room)| room);
        let listeners = entries_for(room_of(layout::edge::LISTENERS).unwrap_or(1));
        let [listener_sketches, target_sketches] =
            [layout::edge::LISTENER_FLOWS, layout::edge::TARGET_FLOWS].map(|name| room_of(name).unwrap_or(SKETCHES));
        let shift = shift_of(listeners);
        let made = Made { seed, trace, room: room.iter().map(|&(table, room)| (table.to_owned(), room)).collect() };
        let ebpf = Shared::of(made, || {
            let trace = u8::from(trace);
            let mut loader = EbpfLoader::new();
            for &(table, entries) in room {
                let entries = match table {
                    layout::edge::LISTENERS => listeners,
                    layout::edge::LISTENER_FLOWS | layout::edge::TARGET_FLOWS => entries * LEVELS,
                    _ => entries,
                };
                loader.map_max_entries(table, entries);
            }
            let mut ebpf = loader
                .override_global(layout::edge::HASH_KEYS, &keys, true)
                .override_global(layout::edge::LISTENER_SHIFT, &shift, true)
                .override_global(layout::edge::LISTENER_SKETCHES, &listener_sketches, true)
                .override_global(layout::edge::TARGET_SKETCHES, &target_sketches, true)
                .override_global(layout::edge::TRACE, &trace, true)
                .load(programs::EDGE)
                .context("cannot load the edge's maps")?;
            load_program(&mut ebpf, layout::edge::PROGRAM)?;
            for &way in Way::ALL {
                open_way(&mut ebpf, way)?;
            }
            Ok(ebpf)
        })?;
        let slots = Mapped::new(second_handle(&ebpf, layout::edge::SLOTS)?, layout::edge::SLOTS, "slots")?;
        Ok(Self { ebpf, keys, places: Map::new(), listeners: Map::new(), shift, slots })
    }

    /// The loaded object.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// The program.
    pub fn program(&self) -> Result<&Xdp> {
        program(&self.ebpf, layout::edge::PROGRAM)
    }

    /// Runs the program on `packet`.
    pub fn run(&self, packet: &[u8]) -> Result<Ran> {
        run(self.program()?, packet)
    }

    /// Sets a slot.
    pub fn set_slot(&mut self, index: u32, slot: Slot) -> Result<()> {
        self.set_slots(&[(index, slot)])
    }

    /// Sets slots.
    pub fn set_slots(&mut self, slots: &[(u32, Slot)]) -> Result<()> {
        let words = self.slots.words();
        for &(index, slot) in slots {
            words.get(usize::try_from(index)?).context("no such slot")?.store(slot.0, Ordering::Release);
        }
        Ok(())
    }

    /// Sets a target.
    pub fn set_target(&mut self, index: u32, target: Target) -> Result<()> {
        if matches!(target.forwarding(), Target::NAT | Target::NAT_SOURCE) {
            self.know(&target.destination)?;
        }
        self.set(layout::edge::TARGETS, index, target)
    }

    /// Says what is known of a VIP, or that the address is none.
    pub fn set_vip(&mut self, address: Address, vip: Option<Vip>) -> Result<()> {
        self.know(&address)?;
        let map = self.ebpf.map_mut(layout::edge::VIPS).context("no such map")?;
        let mut table = HashMap::<&mut MapData, Address, Vip>::try_from(map)?;
        match vip {
            Some(vip) => Ok(table.insert(address, vip, 0)?),
            None => Ok(table.remove(&address)?),
        }
    }

    /// Says whether no tunnel may lead to the address from outside.
    pub fn shield(&mut self, address: Address, shielded: bool) -> Result<()> {
        self.know(&address)?;
        let map = self.ebpf.map_mut(layout::edge::SHIELDED).context("no such map")?;
        let mut table = HashMap::<&mut MapData, Address, u8>::try_from(map)?;
        Ok(if shielded { table.insert(address, 1, 0) } else { table.remove(&address) }?)
    }

    /// Says which target a server id of QUIC names for a listener, or that it names none.
    pub fn set_quic_server(&mut self, key: ServerKey, target: Option<u32>) -> Result<()> {
        let map = self.ebpf.map_mut(layout::edge::QUIC_SERVERS).context("no such map")?;
        let mut table = HashMap::<&mut MapData, ServerKey, u32>::try_from(map)?;
        match target {
            Some(target) => Ok(table.insert(key, target, 0)?),
            None => Ok(table.remove(&key)?),
        }
    }

    /// Sets the bit of an address that packets may concern the edge by.
    fn know(&mut self, address: &Address) -> Result<()> {
        let place = Place::of(address);
        let word = self.get::<u64>(layout::edge::KNOWN, place.word)?;
        self.set(layout::edge::KNOWN, place.word, word | place.bit)
    }

    /// Sets the flow that is traced.
    pub fn set_traced(&mut self, flow: Flow) -> Result<()> {
        self.set(layout::edge::TRACED_FLOW, 0, flow)
    }

    fn set<T: Pod>(&mut self, map: &str, index: u32, value: T) -> Result<()> {
        let map = self.ebpf.map_mut(map).with_context(|| format!("no map {map}"))?;
        Ok(Array::<&mut MapData, T>::try_from(map)?.set(index, value, 0)?)
    }

    fn get<T: Pod>(&self, map: &str, index: u32) -> Result<T> {
        let map = self.ebpf.map(map).with_context(|| format!("no map {map}"))?;
        Ok(Array::<&MapData, T>::try_from(map)?.get(&index, 0)?)
    }

    /// Puts networks into the access list of that number: whether each is allowed.
    pub fn set_access(&mut self, list: u32, networks: &[(IpNet, bool)]) -> Result<()> {
        let map = self.ebpf.map_mut(layout::edge::ACCESS).context("no such map")?;
        let mut trie = LpmTrie::<_, Member, u8>::try_from(map)?;
        for (network, allowed) in networks {
            let mapped = if network.addr().is_ipv4() { 96 } else { 0 };
            let length = Member::LIST + mapped + u32::from(network.prefix_len());
            let member = Member { list, address: Address::from(network.network()) };
            trie.insert(&lpm_trie::Key::new(length, member), u8::from(*allowed), 0)?;
        }
        Ok(())
    }
}

/// The array `name` of `ebpf` once more, as a map of its own.
fn second_handle(ebpf: &Ebpf, name: &str) -> Result<AnyMap> {
    match ebpf.map(name) {
        Some(AnyMap::Array(map)) => Ok(AnyMap::Array(MapData::from_id(map.info()?.id())?)),
        _ => bail!("no array {name}"),
    }
}

/// Loads the program of a way and puts it where packets find it.
fn open_way(ebpf: &mut Ebpf, way: Way) -> Result<()> {
    load_program(ebpf, way.program())?;
    let program = program(ebpf, way.program())?.fd()?.try_clone()?;
    let map = ebpf.map_mut(layout::edge::WAYS).context("no such map")?;
    Ok(ProgramArray::try_from(map)?.set(way as u32, &program, 0)?)
}

fn load_program(ebpf: &mut Ebpf, name: &str) -> Result<()> {
    let program = ebpf.program_mut(name).with_context(|| format!("no program {name}"))?;
    let program: &mut Xdp = program.try_into()?;
    program.load().with_context(|| format!("the kernel refuses {name}"))
}

fn program<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Xdp> {
    Ok(ebpf.program(name).with_context(|| format!("no program {name}"))?.try_into()?)
}

/// Runs a program on `packet`.
pub fn run(program: &Xdp, packet: &[u8]) -> Result<Ran> {
    let mut out = vec![0; packet.len() + 256];
    let options = TestRunOptions { data_in: Some(packet), data_out: Some(&mut out), ..TestRunOptions::new() };
    let result = program.test_run(options).with_context(|| format!("test run of {} bytes", packet.len()))?;
    out.truncate(result.data_size_out as usize);
    Ok(Ran {
        action: Action::from_number(result.return_value)?,
        packet: out,
        duration: u32::try_from(result.duration.as_nanos())?,
    })
}
