//! The flow tables, swept and thinned out in batches while packets write them.
//!
//! A sweep walks a table's buckets, and the kernel hands over whole buckets: a pin that is there from the sweep's begin to
//! its end is seen exactly once, whatever is added or removed meanwhile. Where a sweep stands is a bucket's number, which
//! can't be told from a pin; so it is kept here, and the pin that a caller names is the proof that it goes on with the
//! sweep that it began. With any other pin the sweep of that pin's table begins anew: pins are then seen twice, none is
//! missed.
//!
//! A pin may change between being swept and being removed. The agent removes pins that are idle or needless; one that is
//! idle and gets a packet just then is lost as if it had been removed a moment before the packet.

use std::io;
use std::os::fd::AsFd as _;

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use aya::{Ebpf, Pod};
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::layout::edge;
use nlb_common::nat::Session;

use super::KernelError;
use super::sys::{self, Batch};
use crate::dataplane::flows::{FlowTable, PinBatch, PinPlace, Pins};

/// The flow tables of one set, open.
pub(super) struct KernelFlows {
    half_open: MapData,
    established: MapData,
    datagrams: MapData,
    translated: MapData,
    attempts: MapData,
    events: PerCpuArray<MapData, u64>,
    /// Where the last sweep stands.
    sweep: Option<Sweep>,
}

#[derive(Clone, Copy)]
struct Sweep {
    /// The last pin that was handed out.
    after: PinPlace,
    /// Where that pin's table goes on; `None` once it is through.
    bucket: Option<u32>,
}

/// What a batch of a table holds, and the bucket to go on with.
type Values<V> = (Vec<(Flow, V)>, Option<u32>);

/// The most pins that one system call reads or removes.
const MOST: usize = 4_096;

impl KernelFlows {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let mut map = |name| object.take_map(name).ok_or(KernelError::NotInObject { name });
        let (established, datagrams, events) =
            (map(edge::ESTABLISHED)?, map(edge::DATAGRAMS)?, map(edge::FLOW_EVENTS)?);
        let Map::LruHashMap(half_open) = map(edge::HALF_OPEN)? else {
            return Err(KernelError::NotInObject { name: edge::HALF_OPEN });
        };
        let (Map::HashMap(established), Map::LruHashMap(datagrams)) = (established, datagrams) else {
            return Err(KernelError::NotInObject { name: edge::ESTABLISHED });
        };
        let (Map::HashMap(translated), Map::LruHashMap(attempts)) = (map(edge::NAT_FLOWS)?, map(edge::NAT_NEW)?) else {
            return Err(KernelError::NotInObject { name: edge::NAT_FLOWS });
        };
        let events = PerCpuArray::try_from(events).map_err(at("open", edge::FLOW_EVENTS))?;
        Ok(Self { half_open, established, datagrams, translated, attempts, events, sweep: None })
    }

    /// Some `limit` pins of those behind `after`. Part of a bucket is never left out, so there may be more.
    pub(super) fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, KernelError> {
        let (mut table, mut bucket) = match (after, self.sweep.take()) {
            (None, _) => (FlowTable::Established, None),
            (Some(after), Some(sweep)) if sweep.after == after => match (sweep.bucket, behind(after.table)) {
                (Some(bucket), _) => (after.table, Some(bucket)),
                (None, Some(table)) => (table, None),
                (None, None) => return Ok((Vec::new(), None)),
            },
            (Some(after), _) => (after.table, None),
        };
        loop {
            let (pins, next) = self.batch(table, bucket, limit.clamp(1, MOST))?;
            let last = pins.last().map(|&(place, _)| place);
            match (next, behind(table), last) {
                (None, None, _) => return Ok((pins, None)),
                (next, _, Some(after)) => {
                    self.sweep = Some(Sweep { after, bucket: next });
                    return Ok((pins, Some(after)));
                }
                (None, Some(behind), None) => (table, bucket) = (behind, None),
                (Some(_), _, None) => bucket = next,
            }
        }
    }

    fn batch(&self, table: FlowTable, bucket: Option<u32>, limit: usize) -> Result<(Pins, Option<u32>), KernelError> {
        let place = |flow| PinPlace { table, flow };
        if table == FlowTable::Translated {
            let (sessions, next) = self.values::<Session>(table, bucket, limit)?;
            let there = sessions.into_iter().filter(|(_, session)| !session.is_back());
            return Ok((there.map(|(flow, session)| (place(flow), session.pin)).collect(), next));
        }
        let (pins, next) = self.values::<Pin>(table, bucket, limit)?;
        Ok((pins.into_iter().map(|(flow, pin)| (place(flow), pin)).collect(), next))
    }

    fn values<V: Pod + Default>(
        &self,
        table: FlowTable,
        bucket: Option<u32>,
        limit: usize,
    ) -> Result<Values<V>, KernelError> {
        let mut room = limit;
        loop {
            let mut flows = vec![Flow::default(); room];
            let mut values = vec![V::default(); room];
            match sys::lookup_batch(self.table(table).fd().as_fd(), bucket, &mut flows, &mut values) {
                Ok(Batch { count, next }) => return Ok((flows.into_iter().zip(values).take(count).collect(), next)),
                // The next bucket alone holds more.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => room = room.saturating_mul(2),
                Err(error) => return Err(failed("read", "bpf_map_lookup_batch", table, error)),
            }
        }
    }

    /// The pin of one flow, in the order in which the packet path looks for it.
    pub(super) fn pin_of(&self, flow: &Flow) -> Result<Option<Pin>, KernelError> {
        let tables = [
            (&self.established, edge::ESTABLISHED),
            (&self.half_open, edge::HALF_OPEN),
            (&self.datagrams, edge::DATAGRAMS),
        ];
        for (table, name) in tables {
            let found = look_up(table, name, flow)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        for (table, name) in [(&self.translated, edge::NAT_FLOWS), (&self.attempts, edge::NAT_NEW)] {
            if let Some(session) = look_up::<Session>(table, name, flow)? {
                return Ok(Some(session.pin));
            }
        }
        Ok(None)
    }

    /// Removes pins; one that is gone already is no error.
    pub(super) fn unpin(&mut self, places: &[PinPlace]) -> Result<(), KernelError> {
        for table in [FlowTable::Established, FlowTable::Datagrams] {
            let flows = places.iter().filter(|place| place.table == table).map(|place| place.flow);
            let flows: Vec<Flow> = flows.collect();
            for chunk in flows.chunks(MOST) {
                self.remove(table, chunk)?;
            }
        }
        let translated = places.iter().filter(|place| place.table == FlowTable::Translated).map(|place| place.flow);
        let translated: Vec<Flow> = translated.collect();
        translated.chunks(MOST).try_for_each(|flows| self.remove_translated(flows))
    }

    /// Both ways of each flow. That of the client's packets first: what is left when a packet comes in between is one that the
    /// next sweep finds.
    fn remove_translated(&self, flows: &[Flow]) -> Result<(), KernelError> {
        let peer = |flow| look_up::<Session>(&self.translated, edge::NAT_FLOWS, flow);
        let peers: Vec<_> = flows.iter().map(peer).collect::<Result<_, _>>()?;
        let peers: Vec<Flow> = peers.into_iter().flatten().map(|session| session.peer).collect();
        self.remove(FlowTable::Translated, flows)?;
        self.remove(FlowTable::Translated, &peers)
    }

    fn remove(&self, table: FlowTable, mut flows: &[Flow]) -> Result<(), KernelError> {
        while !flows.is_empty() {
            match sys::delete_batch(self.table(table).fd().as_fd(), flows) {
                Ok(()) => return Ok(()),
                // The kernel stops at the first that isn't there.
                Err((removed, error)) if error.raw_os_error() == Some(libc::ENOENT) => {
                    flows = flows.get(removed + 1..).unwrap_or_default();
                }
                Err((_, error)) => return Err(failed("write", "bpf_map_delete_batch", table, error)),
            }
        }
        Ok(())
    }

    /// What the tables are used for, summed over CPUs.
    pub(super) fn events(&self) -> Result<Vec<(FlowEvent, u64)>, KernelError> {
        let sum = |&event: &FlowEvent| {
            let values = self.events.get(&u32::from(event as u8), 0).map_err(at("read", edge::FLOW_EVENTS))?;
            Ok((event, values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value))))
        };
        FlowEvent::ALL.iter().map(sum).collect()
    }

    const fn table(&self, table: FlowTable) -> &MapData {
        match table {
            FlowTable::Established => &self.established,
            FlowTable::Datagrams => &self.datagrams,
            FlowTable::Translated => &self.translated,
        }
    }
}

/// The table that a sweep goes on with.
const fn behind(table: FlowTable) -> Option<FlowTable> {
    match table {
        FlowTable::Established => Some(FlowTable::Datagrams),
        FlowTable::Datagrams => Some(FlowTable::Translated),
        FlowTable::Translated => None,
    }
}

fn look_up<V: Pod + Default>(table: &MapData, name: &'static str, flow: &Flow) -> Result<Option<V>, KernelError> {
    sys::lookup(table.fd().as_fd(), flow).map_err(|io_error| {
        let call = "bpf_map_lookup_elem";
        at("read", name)(MapError::SyscallError(aya::sys::SyscallError { call, io_error }))
    })
}

fn failed(action: &'static str, call: &'static str, table: FlowTable, io_error: io::Error) -> KernelError {
    let name = match table {
        FlowTable::Established => edge::ESTABLISHED,
        FlowTable::Datagrams => edge::DATAGRAMS,
        FlowTable::Translated => edge::NAT_FLOWS,
    };
    at(action, name)(MapError::SyscallError(aya::sys::SyscallError { call, io_error }))
}

fn at(action: &'static str, table: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Table { action, table, source }
}
