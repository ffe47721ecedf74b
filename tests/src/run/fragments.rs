//! What an edge remembers of datagrams in fragments, and the fragments that it hands over.

use std::collections::HashMap as Map;
use std::mem::offset_of;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, MapData, RingBuf};
use nlb_common::datagram::{Datagram, DatagramKey, Early};
use nlb_common::layout::edge::{EARLY_FRAGMENTS, FRAGMENTS};

use super::Edge;

impl Edge {
    /// The frames that came before their datagram's first fragment, since the last call.
    pub fn early(&mut self) -> Result<Vec<Vec<u8>>> {
        let map = self.ebpf.map_mut(EARLY_FRAGMENTS).context("no such map")?;
        let mut ring = RingBuf::try_from(map)?;
        let mut frames = Vec::new();
        while let Some(record) = ring.next() {
            ensure!(record.len() == size_of::<Early>(), "a record of {} bytes", record.len());
            let length = record[offset_of!(Early, length)..][..4].try_into()?;
            let frame = &record[offset_of!(Early, frame)..];
            frames.push(frame[..u32::from_ne_bytes(length) as usize].to_vec());
        }
        Ok(frames)
    }

    /// What is remembered of datagrams.
    pub fn datagrams(&self) -> Result<Map<DatagramKey, Datagram>> {
        let map = self.ebpf.map(FRAGMENTS).context("no such map")?;
        Ok(HashMap::<_, DatagramKey, Datagram>::try_from(map)?.iter().collect::<Result<_, _>>()?)
    }

    /// Remembers a datagram.
    pub fn set_datagram(&mut self, key: DatagramKey, datagram: Datagram) -> Result<()> {
        Ok(self.datagram_table()?.insert(key, datagram, 0)?)
    }

    /// Forgets all datagrams.
    pub fn forget_datagrams(&mut self) -> Result<()> {
        for key in self.datagrams()?.into_keys() {
            self.datagram_table()?.remove(&key)?;
        }
        Ok(())
    }

    fn datagram_table(&mut self) -> Result<HashMap<&mut MapData, DatagramKey, Datagram>> {
        Ok(HashMap::try_from(self.ebpf.map_mut(FRAGMENTS).context("no such map")?)?)
    }
}
