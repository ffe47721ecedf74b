//! The flow that is asked about.

use std::net::{IpAddr, SocketAddr};

use nlb_common::hash::Flow;

use crate::model::{Affinity, ConnectionId, Listener, Protocol};

/// A flow, as a user names it. Both addresses are of the same family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowQuery {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) connection_id: Option<ConnectionId>,
}

/// Addresses of different families in one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("source {} and destination {} are not of the same IP version", .source_ip, .destination_ip)]
pub struct MixedFamilies {
    /// The client's address.
    pub source_ip: IpAddr,
    /// The VIP.
    pub destination_ip: IpAddr,
}

impl FlowQuery {
    /// The flow from `source` to `destination`.
    pub fn new(source: SocketAddr, destination: SocketAddr, protocol: Protocol) -> Result<Self, MixedFamilies> {
        if source.is_ipv4() == destination.is_ipv4() {
            Ok(Self { source, destination, protocol, connection_id: None })
        } else {
            Err(MixedFamilies { source_ip: source.ip(), destination_ip: destination.ip() })
        }
    }

    /// A packet of the flow with that connection id of QUIC.
    #[must_use]
    pub fn with_connection_id(self, id: ConnectionId) -> Self {
        Self { connection_id: Some(id), ..self }
    }

    /// The flow that the packet path sees as `flow`; `None` if it is of no protocol that a listener may have.
    pub(super) fn of(flow: &Flow) -> Option<Self> {
        let end = |address, port| SocketAddr::new(IpAddr::from(address), u16::from_be(port));
        let protocol = Protocol::of_number(flow.protocol)?;
        let (source, destination) = (end(flow.source, flow.source_port), end(flow.destination, flow.destination_port));
        Self::new(source, destination, protocol).ok()
    }

    /// The flow as the packet path sees it.
    pub fn flow(&self) -> Flow {
        Flow {
            source: self.source.ip().into(),
            destination: self.destination.ip().into(),
            source_port: self.source.port().to_be(),
            destination_port: self.destination.port().to_be(),
            protocol: self.protocol.number(),
            padding: [0; 3],
        }
    }

    /// The flow as `listener`, whose group has that affinity, sees it: for a gateway both directions are one.
    pub(super) fn flow_of(&self, listener: &Listener, affinity: Affinity) -> Flow {
        if listener.vip().is_some() { self.flow() } else { self.flow().both_ways(affinity.into()) }
    }
}
