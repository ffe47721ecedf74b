//! What the program has counted.

use std::ops::AddAssign;

use anyhow::{Context as _, Result};
use aya::maps::{Array, PerCpuArray};
use aya::{Ebpf, Pod};
use nlb_common::active::{self, LEVELS, Row, Sketch};
use nlb_common::counters::Counters;
use nlb_common::drop_reason::DropReason;
use nlb_common::flow::FlowEvent;
use nlb_common::guard::Refused;
use nlb_common::layout::edge;
use nlb_common::quic::QuicRule;
use nlb_common::way::WayOutcome;

use super::Edge;

impl Edge {
    /// Packets of QUIC by the rule that chose their target, for each rule that did.
    pub fn quic_rules(&self) -> Result<Vec<(QuicRule, u64)>> {
        counted(&self.ebpf, edge::QUIC_RULES, QuicRule::ALL, |rule| rule as u32)
    }

    /// What the flow tables were used for, for each use that there was.
    pub fn flow_events(&self) -> Result<Vec<(FlowEvent, u64)>> {
        counted(&self.ebpf, edge::FLOW_EVENTS, FlowEvent::ALL, |event| event as u32)
    }

    /// What the ways did with packets, for each outcome that there was.
    pub fn way_outcomes(&self) -> Result<Vec<(WayOutcome, u64)>> {
        counted(&self.ebpf, edge::WAY_OUTCOMES, WayOutcome::ALL, |outcome| outcome as u32)
    }

    /// What a listener's guard refused.
    pub fn refused(&self, index: u32) -> Result<Refused> {
        sum(&self.ebpf, edge::LISTENER_REFUSED, index)
    }

    /// What a listener forwarded.
    pub fn listener_counters(&self, index: u32) -> Result<Counters> {
        sum(&self.ebpf, edge::LISTENER_COUNTERS, index)
    }

    /// What a target was sent.
    pub fn target_counters(&self, index: u32) -> Result<Counters> {
        sum(&self.ebpf, edge::TARGET_COUNTERS, index)
    }

    /// A sketch of active flows, in the table of that name.
    pub fn sketch(&self, table: &str, index: u32) -> Result<Sketch> {
        let map = self.ebpf.map(table).with_context(|| format!("no map {table}"))?;
        let rows = Array::<_, Row>::try_from(map)?;
        let mut sketch = Sketch::EMPTY;
        for (block, to) in (0..).zip(sketch.rows_mut()) {
            to.copy_from_slice(&rows.get(&active::row(rows.len() / LEVELS, index, block), 0)?);
        }
        Ok(sketch)
    }

    /// Packets dropped, for each reason that has any.
    pub fn drops(&self) -> Result<Vec<(DropReason, u64)>> {
        counted(&self.ebpf, edge::DROPS, DropReason::ALL, |reason| reason as u32)
    }
}

/// The counters of `all` that aren't zero.
pub(super) fn counted<T: Copy>(ebpf: &Ebpf, map: &str, all: &[T], number: fn(T) -> u32) -> Result<Vec<(T, u64)>> {
    let counted = all.iter().map(|&of| Ok((of, sum::<u64>(ebpf, map, number(of))?)));
    counted.filter(|counted| !matches!(counted, Ok((_, 0)))).collect()
}

pub(super) fn sum<T: Pod + Default + AddAssign>(ebpf: &Ebpf, map: &str, index: u32) -> Result<T> {
    let map = ebpf.map(map).with_context(|| format!("no map {map}"))?;
    let mut total = T::default();
    for value in PerCpuArray::<_, T>::try_from(map)?.get(&index, 0)?.iter() {
        total += *value;
    }
    Ok(total)
}
