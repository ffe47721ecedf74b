//! TCP, UDP and SCTP: the ports that name a listener, and whether a segment opens a connection.

use core::hint::cold_path;

use super::fragment::Fragment;
use super::network::Network;
use super::{Door, NotOurs, Stop};
use crate::drop_reason::DropReason;
use crate::hash::Flow;
use crate::wire::{Ports, Sctp, Tcp, Udp, protocol};

/// What the TCP, UDP or SCTP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Source port, network byte order.
    pub source_port: u16,
    /// Destination port, network byte order.
    pub destination_port: u16,
    /// The rest of the header.
    pub segment: Segment,
}

/// What kind of segment it is.
///
/// A broken one is only dropped once a listener claims it: to a router on the same host it is a packet like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// TCP with SYN and without ACK, SCTP with INIT: the first of a connection.
    Opens,
    /// Any other.
    Continues,
    /// The payload ends within the header.
    Truncated,
    /// A length in the header that can't be.
    Bad,
}

impl Segment {
    /// Whether the segment opens a connection.
    ///
    /// # Errors
    /// The reason why a broken one is dropped.
    #[inline(always)]
    pub const fn opens(self) -> Result<bool, DropReason> {
        match self {
            Self::Opens => Ok(true),
            Self::Continues => Ok(false),
            Self::Truncated => Err(DropReason::TruncatedTransport),
            Self::Bad => Err(DropReason::BadTransport),
        }
    }
}

/// Reads the transport layer.
///
/// # Errors
/// [`Stop::Pass`] for other protocols, [`Stop::Drop`] if there is no room for the ports.
#[inline(always)]
pub fn read<D: Door + ?Sized>(door: &D, network: &Network) -> Result<Transport, Stop> {
    read_within(door, network, network.payload_length)
}

/// Reads the transport layer of a datagram of which `first` is the first fragment: it holds the whole header. The length that a
/// UDP header says is the datagram's, not the fragment's where others follow.
///
/// # Errors
/// As for [`read`].
#[inline(always)]
pub fn read_first<D: Door + ?Sized>(door: &D, first: &Fragment) -> Result<Transport, Stop> {
    let network = &first.network;
    read_within(door, network, if first.more { usize::from(u16::MAX) } else { network.payload_length })
}

/// `longest`: the longest datagram of UDP that there may be.
#[inline(always)]
fn read_within<D: Door + ?Sized>(door: &D, network: &Network, longest: usize) -> Result<Transport, Stop> {
    const TRUNCATED: Stop = Stop::Drop(DropReason::TruncatedTransport);
    let tcp = network.protocol == protocol::TCP;
    let udp = network.protocol == protocol::UDP;
    if !tcp && !udp {
        cold_path();
        if network.protocol != protocol::SCTP {
            return Err(Stop::Pass(NotOurs::Protocol));
        }
    }
    if network.payload_length < size_of::<Ports>() {
        return Err(TRUNCATED);
    }
    let ports = door.header::<Ports>(network.payload).ok_or(TRUNCATED)?;
    let segment = if tcp {
        read_tcp(door, network)
    } else if udp {
        read_udp(door, network, longest)
    } else {
        cold_path();
        read_sctp(door, network)
    };
    Ok(Transport { source_port: ports.source, destination_port: ports.destination, segment })
}

#[inline(always)]
fn read_tcp<D: Door + ?Sized>(door: &D, network: &Network) -> Segment {
    if network.payload_length < Tcp::LENGTH {
        return Segment::Truncated;
    }
    let Some(tcp) = door.header::<Tcp>(network.payload) else { return Segment::Truncated };
    let header_length = tcp.header_length();
    if header_length < Tcp::LENGTH || header_length > network.payload_length {
        Segment::Bad
    } else if tcp.opens() {
        Segment::Opens
    } else {
        Segment::Continues
    }
}

#[inline(always)]
fn read_udp<D: Door + ?Sized>(door: &D, network: &Network, longest: usize) -> Segment {
    if network.payload_length < Udp::LENGTH {
        return Segment::Truncated;
    }
    let Some(udp) = door.header::<Udp>(network.payload) else { return Segment::Truncated };
    let length = usize::from(udp.length());
    if length < Udp::LENGTH || length > longest { Segment::Bad } else { Segment::Continues }
}

/// A packet without a chunk has nothing to say.
#[inline(always)]
fn read_sctp<D: Door + ?Sized>(door: &D, network: &Network) -> Segment {
    if network.payload_length < Sctp::LENGTH {
        return Segment::Truncated;
    }
    let Some(sctp) = door.header::<Sctp>(network.payload) else { return Segment::Truncated };
    if u16::from_be(sctp.chunk_length) < Sctp::CHUNK {
        Segment::Bad
    } else if sctp.chunk == Sctp::INIT {
        Segment::Opens
    } else {
        Segment::Continues
    }
}

/// The flow that both layers make.
#[inline(always)]
pub const fn flow(network: &Network, transport: &Transport) -> Flow {
    Flow {
        source: network.source,
        destination: network.destination,
        source_port: transport.source_port,
        destination_port: transport.destination_port,
        protocol: network.protocol,
        padding: [0; 3],
    }
}
