//! The program's tables as the agent's dataplane has them, without pin paths, links and interfaces.

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, MapData, MapError};
use aya::programs::Xdp;
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::layout::edge::{DATAGRAMS, ESTABLISHED, GROUPS, HALF_OPEN, LISTENERS, SLOTS, TARGETS};
use nlb_common::tables::{Group, Target};
use nlb_userspace::control::plan;
use nlb_userspace::dataplane::{Dataplane as _, FlowTable, Memory, PinPlace, Tables, Write};

use crate::run::{Edge, Ran, run};

/// Slots in the slot table.
pub const ROOM: u32 = 1 << 12;

/// A loaded program, and a twin of its tables: those are read where only the agent writes.
pub struct Loaded {
    edge: Edge,
    twin: Memory,
    /// Seconds by which the pins are yet to become older.
    older: u32,
}

impl Loaded {
    /// Loads the program with small tables.
    pub fn new(seed: u64) -> Result<Self> {
        // A table of the least recently used needs some room, or the kernel gives up the youngest.
        let room = [(SLOTS, ROOM), (GROUPS, 8), (TARGETS, 64), (LISTENERS, 8)];
        let flows = [(HALF_OPEN, 1024), (ESTABLISHED, 256), (DATAGRAMS, 1024)];
        let edge = Edge::load_sized(seed, false, &[&room[..], &flows[..]].concat())?;
        Ok(Self { edge, twin: Memory::new(ROOM as usize), older: 0 })
    }

    /// Empties all tables that the agent reads.
    pub fn clear(&mut self) -> Result<()> {
        let tables = self.read()?;
        self.apply(&plan(&tables, &Tables::default()))?;
        self.twin = Memory::new(ROOM as usize);
        self.older = 0;
        for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
            let mut map = self.flows(table)?;
            for flow in map.keys().collect::<Result<Vec<_>, _>>()? {
                map.remove(&flow)?;
            }
        }
        Ok(())
    }

    /// The tables as they are.
    pub fn read(&mut self) -> Result<Tables> {
        Ok(self.twin.read()?)
    }

    /// Carries out `writes`.
    pub fn apply(&mut self, writes: &[Write]) -> Result<()> {
        self.twin.apply(writes)?;
        for write in writes {
            match write {
                Write::Target { index, value, .. } => self.edge.set_target(*index, *value)?,
                Write::Slots(slots) => self.edge.set_slots(slots)?,
                Write::Group { index, value } => self.edge.set_group(*index, *value)?,
                Write::Listener { key, value, .. } => self.edge.set_listener(*key, *value)?,
                // No history has an access list.
                Write::AccessList { .. } | Write::RemoveAccessList(_) => {}
                Write::Ranges { key, listeners, .. } => self.edge.set_ranges(*key, listeners)?,
                Write::QuicServer { key, target } => self.edge.set_quic_server(*key, Some(*target))?,
                Write::RemoveQuicServer(key) => self.edge.set_quic_server(*key, None)?,
                Write::Vip { address, value } => self.edge.set_vip(*address, Some(*value))?,
                Write::Shield(address) => self.edge.shield(*address, true)?,
                Write::Unshield(address) => self.edge.shield(*address, false)?,
                Write::RemoveVip(address) => self.edge.set_vip(*address, None)?,
                Write::RemoveListener(key) => self.edge.remove_listener(key)?,
                Write::RemoveGroup(index) => self.edge.set_group(*index, Group::default())?,
                Write::RemoveTarget(index) => self.edge.set_target(*index, Target::default())?,
            }
        }
        Ok(())
    }

    /// Runs the program on `packet`.
    pub fn run(&mut self, packet: &[u8]) -> Result<Ran> {
        self.make_older()?;
        let program: &Xdp = self.edge.program()?;
        run(program, packet)
    }

    /// The keys that it was loaded with.
    pub const fn edge(&self) -> &Edge {
        &self.edge
    }

    fn flows(&mut self, table: &str) -> Result<HashMap<&mut MapData, Flow, Pin>> {
        Ok(HashMap::try_from(self.edge.ebpf().map_mut(table).context("no such table")?)?)
    }

    /// Every pin that the agent sees, in the order of their places. The kernel's own order is not to be relied on here:
    /// growing older changes it, and a sweep that looks where it ended would pass over pins. The agent's dataplane asks
    /// for whole buckets, which pins never leave.
    pub fn pins(&mut self) -> Result<Vec<(PinPlace, Pin)>> {
        self.make_older()?;
        let mut all = Vec::new();
        for (name, table) in [(ESTABLISHED, FlowTable::Established), (DATAGRAMS, FlowTable::Datagrams)] {
            for entry in self.flows(name)?.iter() {
                let (flow, pin) = entry?;
                all.push((PinPlace { table, flow }, pin));
            }
        }
        all.sort_unstable_by_key(|&(place, _)| place);
        Ok(all)
    }

    /// Removes pins. One that is gone already is no error.
    pub fn unpin(&mut self, pins: &[PinPlace]) -> Result<()> {
        for place in pins {
            let table = if place.table == FlowTable::Established { ESTABLISHED } else { DATAGRAMS };
            match self.flows(table)?.remove(&place.flow) {
                Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Makes every pin older by so many seconds: before anybody looks, in one go for all that has passed by then.
    pub const fn age(&mut self, seconds: u32) {
        self.older += seconds;
    }

    fn make_older(&mut self) -> Result<()> {
        let seconds = std::mem::take(&mut self.older);
        if seconds == 0 {
            return Ok(());
        }
        for table in [HALF_OPEN, ESTABLISHED, DATAGRAMS] {
            let mut map = self.flows(table)?;
            for (flow, pin) in map.iter().collect::<Result<Vec<_>, _>>()? {
                map.insert(flow, Pin { seen: pin.seen.wrapping_sub(seconds), ..pin }, 0)?;
            }
        }
        Ok(())
    }
}
