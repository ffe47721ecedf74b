//! The edge's program with that of captures before it.

use anyhow::{Context as _, Result};
use aya::maps::{Array, MapData, ProgramArray, RingBuf};
use nlb_common::capture::Order;
use nlb_common::layout;
use nlb_common::way::Way;
use nlb_userspace::dataplane::CapturedPacket;

use super::counts::sum;
use super::{Edge, Ran, load_program, program, run};

/// What was captured.
pub struct Captured(RingBuf<MapData>);

impl Edge {
    /// An edge with so many bytes of room for captured packets, and its program for captures.
    pub fn load_capturing(seed: u64, room: u32) -> Result<(Self, Captured)> {
        let mut edge = Self::load_sized(seed, false, &[(layout::edge::CAPTURED, room)])?;
        load_program(&mut edge.ebpf, layout::edge::CAPTURE)?;
        let balancer = edge.program()?.fd()?.try_clone()?;
        let map = edge.ebpf.map_mut(layout::edge::WAYS).context("no such map")?;
        ProgramArray::try_from(map)?.set(Way::BALANCER, &balancer, 0)?;
        let ring = edge.ebpf.take_map(layout::edge::CAPTURED).context("no ring buffer")?;
        Ok((edge, Captured(RingBuf::try_from(ring)?)))
    }

    /// Says what is to be captured.
    pub fn set_order(&mut self, order: Order) -> Result<()> {
        let map = self.ebpf.map_mut(layout::edge::CAPTURE_ORDER).context("no such map")?;
        Ok(Array::<&mut MapData, Order>::try_from(map)?.set(0, order, 0)?)
    }

    /// Runs the program for captures on `packet`, and the edge's behind it.
    pub fn run_captured(&self, packet: &[u8]) -> Result<Ran> {
        run(program(&self.ebpf, layout::edge::CAPTURE)?, packet)
    }

    /// Packets that found no room.
    pub fn capture_lost(&self) -> Result<u64> {
        sum(&self.ebpf, layout::edge::CAPTURE_LOST, 0)
    }
}

impl Captured {
    /// What came since the last call.
    pub fn take(&mut self) -> Vec<CapturedPacket> {
        let mut packets = Vec::new();
        while let Some(bytes) = self.0.next() {
            packets.push(CapturedPacket::parse(&bytes, std::time::Duration::ZERO).expect("a record"));
        }
        packets
    }
}
