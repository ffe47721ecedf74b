//! What an edge remembers of flows: pins, and translated flows.

use std::collections::HashMap as Map;

use anyhow::{Context as _, Result};
use aya::maps::{HashMap, MapData};
use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::nat::Session;

use super::Edge;

impl Edge {
    /// Pins a flow in the flow table of that name.
    pub fn set_pin(&mut self, table: &str, flow: Flow, pin: Pin) -> Result<()> {
        Ok(self.flow_table(table)?.insert(flow, pin, 0)?)
    }

    /// Takes a pin out of the flow table of that name.
    pub fn remove_pin(&mut self, table: &str, flow: &Flow) -> Result<()> {
        Ok(self.flow_table(table)?.remove(flow)?)
    }

    fn flow_table(&mut self, table: &str) -> Result<HashMap<&mut MapData, Flow, Pin>> {
        Ok(HashMap::try_from(self.ebpf.map_mut(table).with_context(|| format!("no map {table}"))?)?)
    }

    /// What is in the flow table of that name.
    pub fn pins(&self, table: &str) -> Result<Map<Flow, Pin>> {
        let map = self.ebpf.map(table).with_context(|| format!("no map {table}"))?;
        Ok(HashMap::<_, Flow, Pin>::try_from(map)?.iter().collect::<Result<_, _>>()?)
    }

    /// What is remembered of translated flows in the table of that name.
    pub fn sessions(&self, table: &str) -> Result<Map<Flow, Session>> {
        let map = self.ebpf.map(table).with_context(|| format!("no map {table}"))?;
        Ok(HashMap::<_, Flow, Session>::try_from(map)?.iter().collect::<Result<_, _>>()?)
    }

    /// Remembers one way of a translated flow in the table of that name.
    pub fn set_session(&mut self, table: &str, flow: Flow, session: Session) -> Result<()> {
        let map = self.ebpf.map_mut(table).with_context(|| format!("no map {table}"))?;
        Ok(HashMap::<&mut MapData, Flow, Session>::try_from(map)?.insert(flow, session, 0)?)
    }

    /// Forgets one way of a translated flow in the table of that name.
    pub fn remove_session(&mut self, table: &str, flow: &Flow) -> Result<()> {
        let map = self.ebpf.map_mut(table).with_context(|| format!("no map {table}"))?;
        Ok(HashMap::<&mut MapData, Flow, Session>::try_from(map)?.remove(flow)?)
    }
}
