//! What the program counts: per CPU in the kernel, summed here.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use aya::maps::{MapData, PerCpuArray, PerCpuValues};
use aya::{Ebpf, Pod};
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::guard::Refused;
use nlb_common::layout::edge;
use nlb_common::quic::QuicRule;
use nlb_common::slot::TargetIndex;
use nlb_common::way::WayOutcome;

use super::KernelError;
use super::tables::{at, typed};
use crate::dataplane::CounterReading;

/// The counters of one set, open.
pub(super) struct CounterTables {
    listeners: PerCpuArray<MapData, Counters>,
    refused: PerCpuArray<MapData, Refused>,
    targets: PerCpuArray<MapData, Counters>,
    drops: PerCpuArray<MapData, u64>,
    way_outcomes: PerCpuArray<MapData, u64>,
    quic_rules: PerCpuArray<MapData, u64>,
    cpus: usize,
}

impl CounterTables {
    /// Takes them out of a loaded object.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let cpus = aya::util::nr_cpus();
        let cpus = cpus.map_err(|(path, source)| KernelError::Proc { path, source })?;
        Ok(Self {
            listeners: typed(object, edge::LISTENER_COUNTERS)?,
            refused: typed(object, edge::LISTENER_REFUSED)?,
            targets: typed(object, edge::TARGET_COUNTERS)?,
            drops: typed(object, edge::DROPS)?,
            way_outcomes: typed(object, edge::WAY_OUTCOMES)?,
            quic_rules: typed(object, edge::QUIC_RULES)?,
            cpus,
        })
    }

    /// All that counts packets, and what these listeners and targets have.
    pub(super) fn read(&self, listeners: &[u32], targets: &[TargetIndex]) -> Result<CounterReading, KernelError> {
        Ok(CounterReading {
            listeners: sums(&self.listeners, edge::LISTENER_COUNTERS, listeners)?,
            refused: sums(&self.refused, edge::LISTENER_REFUSED, listeners)?,
            targets: sums(&self.targets, edge::TARGET_COUNTERS, targets)?,
            drops: by_number(&self.drops, edge::DROPS, DropReason::ALL, |reason| reason as u8)?,
            way_outcomes: by_number(&self.way_outcomes, edge::WAY_OUTCOMES, WayOutcome::ALL, |outcome| outcome as u8)?,
            quic_rules: by_number(&self.quic_rules, edge::QUIC_RULES, QuicRule::ALL, |rule| rule as u8)?,
            ..CounterReading::default()
        })
    }

    /// A listener begins at zero.
    pub(super) fn reset_listener(&mut self, index: u32) -> Result<(), KernelError> {
        reset(&mut self.listeners, edge::LISTENER_COUNTERS, index, self.cpus)?;
        reset(&mut self.refused, edge::LISTENER_REFUSED, index, self.cpus)
    }

    /// A target begins at zero.
    pub(super) fn reset_target(&mut self, index: TargetIndex) -> Result<(), KernelError> {
        reset(&mut self.targets, edge::TARGET_COUNTERS, index, self.cpus)
    }
}

fn sums<V: Pod + Default + AddAssign>(
    map: &PerCpuArray<MapData, V>,
    table: &'static str,
    indexes: &[u32],
) -> Result<BTreeMap<u32, V>, KernelError> {
    let mut sums = BTreeMap::new();
    for &index in indexes {
        let mut sum = V::default();
        for value in map.get(&index, 0).map_err(at("read", table))?.iter() {
            sum += *value;
        }
        sums.insert(index, sum);
    }
    Ok(sums)
}

/// One counter for each of `all`, at its number.
fn by_number<T: Copy>(
    map: &PerCpuArray<MapData, u64>,
    table: &'static str,
    all: &[T],
    number: fn(T) -> u8,
) -> Result<Vec<(T, u64)>, KernelError> {
    let count = |&counted: &T| {
        let values = map.get(&u32::from(number(counted)), 0).map_err(at("read", table))?;
        Ok((counted, values.iter().fold(0_u64, |sum, value| sum.wrapping_add(*value))))
    };
    all.iter().map(count).collect()
}

fn reset<V: Pod + Default>(
    map: &mut PerCpuArray<MapData, V>,
    table: &'static str,
    index: u32,
    cpus: usize,
) -> Result<(), KernelError> {
    let zeros = PerCpuValues::try_from(vec![V::default(); cpus]).map_err(|source| KernelError::Table {
        action: "write",
        table,
        source: source.into(),
    })?;
    map.set(index, zeros, 0).map_err(at("write", table))
}
