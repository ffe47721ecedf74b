//! `nlb explain`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::protocol;
use crate::api::dto::Protocol;
use crate::model::ConnectionId;

/// `nlb explain`: a flow, or packets of a file.
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// The client's address
    #[arg(value_name = "SRC", required_unless_present = "pcap", conflicts_with = "pcap")]
    source: Option<IpAddr>,
    /// The client's port
    #[arg(value_name = "SPORT", required_unless_present = "pcap")]
    source_port: Option<u16>,
    /// The VIP
    #[arg(value_name = "DST", required_unless_present = "pcap")]
    destination: Option<IpAddr>,
    /// The listener's port
    #[arg(value_name = "DPORT", required_unless_present = "pcap")]
    destination_port: Option<u16>,
    /// tcp, udp or sctp
    #[arg(value_name = "PROTO", value_parser = protocol, required_unless_present = "pcap")]
    protocol: Option<Protocol>,
    /// The connection id of a packet of QUIC, in hexadecimal, for a listener with `quic`
    #[arg(long, value_name = "HEX", conflicts_with = "pcap")]
    connection_id: Option<ConnectionId>,
    /// Explain the packets of a pcap or pcapng file instead, but for those marked as leaving
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Explain that one packet of the file only, counted from 1
    #[arg(long, value_name = "NUMBER", requires = "pcap", value_parser = clap::value_parser!(u64).range(1..))]
    packet: Option<u64>,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explained {
    /// A flow.
    Flow {
        /// The client.
        source: SocketAddr,
        /// The listener.
        destination: SocketAddr,
        /// Protocol.
        protocol: Protocol,
        /// The connection id of one of its packets.
        connection_id: Option<ConnectionId>,
    },
    /// Packets.
    Packets {
        /// The file.
        file: PathBuf,
        /// The only one that is wanted.
        packet: Option<u64>,
    },
}

impl Explain {
    /// What was asked for: clap has seen to it that it is one or the other.
    pub fn explained(self) -> Option<Explained> {
        if let Some(file) = self.pcap {
            return Some(Explained::Packets { file, packet: self.packet });
        }
        Some(Explained::Flow {
            source: SocketAddr::new(self.source?, self.source_port?),
            destination: SocketAddr::new(self.destination?, self.destination_port?),
            protocol: self.protocol?,
            connection_id: self.connection_id,
        })
    }
}
