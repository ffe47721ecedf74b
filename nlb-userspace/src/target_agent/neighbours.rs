//! Other targets as neighbours.
//!
//! The target host's program sends packets on only to whom the kernel has a MAC address for, and can't ask for one. A packet
//! of the host's own makes the kernel ask, and see to it that an answer from before still holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Where datagrams are thrown away (RFC 863).
const DISCARD: u16 = 9;

/// Makes the kernel look up who `address` is on its link, or who the router to it is. Does not wait for the answer.
pub(super) fn meet(address: IpAddr) {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sent = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(&[], (address, DISCARD))
    });
    match sent {
        Ok(_) => tracing::debug!(%address, "connections are another target's: its MAC address is looked up"),
        Err(error) => tracing::debug!(%address, "no packet can be sent to another target: {error}"),
    }
}
