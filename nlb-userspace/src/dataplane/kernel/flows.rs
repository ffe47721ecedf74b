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

use aya::Ebpf;
use aya::maps::{Map, MapData, MapError, PerCpuArray};
use nlb_common::address::Address;
use nlb_common::flow::{FlowEvent, Pin};
use nlb_common::hash::Flow;
use nlb_common::layout::edge;

use super::KernelError;
use super::sys::{self, Batch};
use crate::dataplane::flows::{FlowTable, PinBatch, PinPlace, Pins};

/// The flow tables of one set, open.
pub(super) struct KernelFlows {
    half_open: MapData,
    established: MapData,
    datagrams: MapData,
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

/// The most pins that one system call reads or removes.
const MOST: usize = 4_096;

const NO_PIN: (Flow, Pin) = (
    Flow {
        source: Address([0; 4]),
        destination: Address([0; 4]),
        source_port: 0,
        destination_port: 0,
        protocol: 0,
        padding: [0; 3],
    },
    Pin { target: 0, slot: 0, seen: 0, flags: 0 },
);

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
        let events = PerCpuArray::try_from(events).map_err(at("open", edge::FLOW_EVENTS))?;
        Ok(Self { half_open, established, datagrams, events, sweep: None })
    }

    /// Some `limit` pins of those behind `after`. Part of a bucket is never left out, so there may be more.
    pub(super) fn pins(&mut self, after: Option<PinPlace>, limit: usize) -> Result<PinBatch, KernelError> {
        let (mut table, mut bucket) = match (after, self.sweep.take()) {
            (None, _) => (FlowTable::Established, None),
            (Some(after), Some(sweep)) if sweep.after == after => match (after.table, sweep.bucket) {
                (table, Some(bucket)) => (table, Some(bucket)),
                (FlowTable::Established, None) => (FlowTable::Datagrams, None),
                (FlowTable::Datagrams, None) => return Ok((Vec::new(), None)),
            },
            (Some(after), _) => (after.table, None),
        };
        loop {
            let (pins, next) = self.batch(table, bucket, limit.clamp(1, MOST))?;
            let last = pins.last().map(|&(place, _)| place);
            match (table, next, last) {
                (FlowTable::Datagrams, None, _) => return Ok((pins, None)),
                (_, next, Some(after)) => {
                    self.sweep = Some(Sweep { after, bucket: next });
                    return Ok((pins, Some(after)));
                }
                (FlowTable::Established, None, None) => (table, bucket) = (FlowTable::Datagrams, None),
                (_, Some(_), None) => bucket = next,
            }
        }
    }

    fn batch(&self, table: FlowTable, bucket: Option<u32>, limit: usize) -> Result<(Pins, Option<u32>), KernelError> {
        let mut room = limit;
        loop {
            let mut flows = vec![NO_PIN.0; room];
            let mut pins = vec![NO_PIN.1; room];
            match sys::lookup_batch(self.table(table).fd().as_fd(), bucket, &mut flows, &mut pins) {
                Ok(Batch { count, next }) => {
                    let places = flows.into_iter().map(|flow| PinPlace { table, flow });
                    return Ok((places.zip(pins).take(count).collect(), next));
                }
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
            let found = sys::lookup(table.fd().as_fd(), flow).map_err(|io_error| {
                let call = "bpf_map_lookup_elem";
                at("read", name)(MapError::SyscallError(aya::sys::SyscallError { call, io_error }))
            })?;
            if found.is_some() {
                return Ok(found);
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
        Ok(())
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
        }
    }
}

fn failed(action: &'static str, call: &'static str, table: FlowTable, io_error: io::Error) -> KernelError {
    let name = match table {
        FlowTable::Established => edge::ESTABLISHED,
        FlowTable::Datagrams => edge::DATAGRAMS,
    };
    at(action, name)(MapError::SyscallError(aya::sys::SyscallError { call, io_error }))
}

fn at(action: &'static str, table: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Table { action, table, source }
}
