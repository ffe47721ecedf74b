//! Packets of an edge's and a client's, made by hand.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};

use etherparse::{IpNumber, PacketBuilder};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, sendto, socket,
};

use crate::{CLIENT_PORT, CLIENT_V4, CLIENT_V6, PORT};

/// Sends IP packets in tunnels of its own making.
pub(crate) struct Tunnel {
    from: IpAddr,
    socket: OwnedFd,
}

impl Tunnel {
    pub(crate) fn new(from: IpAddr) -> Self {
        Self { from, socket: raw(from, SockProtocol::Raw) }
    }

    pub(crate) fn send(&self, to: &str, inner: &[u8]) {
        let builder = match (self.from, ip(to)) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
            mixed => panic!("{mixed:?}"),
        };
        let protocol = if inner[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
        let mut packet = Vec::new();
        builder.write(&mut packet, protocol, inner).unwrap();
        let to = SockaddrStorage::from(SocketAddr::new(ip(to), 0));
        assert_eq!(sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap(), packet.len());
    }
}

/// A raw socket of an address; with `Raw`, who writes brings the IP header along.
pub(crate) fn raw(address: IpAddr, protocol: SockProtocol) -> OwnedFd {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(address, 0))).unwrap();
    socket
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A client's datagram to a VIP.
pub(crate) fn datagram(vip: &str, payload: &[u8]) -> Vec<u8> {
    let builder = match ip(vip) {
        IpAddr::V4(vip) => PacketBuilder::ipv4(ip4(CLIENT_V4), vip.octets(), 61),
        IpAddr::V6(vip) => PacketBuilder::ipv6(ip6(CLIENT_V6), vip.octets(), 61),
    };
    let mut packet = Vec::new();
    builder.udp(CLIENT_PORT, PORT).write(&mut packet, payload).unwrap();
    packet
}

pub(crate) fn ip4(text: &str) -> [u8; 4] {
    text.parse::<std::net::Ipv4Addr>().unwrap().octets()
}

fn ip6(text: &str) -> [u8; 16] {
    text.parse::<Ipv6Addr>().unwrap().octets()
}

pub(crate) fn received(service: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = uninterrupted(|| service.recv_from(&mut buffer)).expect("the packet arrives");
    (buffer[..length].to_vec(), from)
}

/// A wait with a deadline is not taken up again by itself when the kernel interrupts it.
pub(crate) fn uninterrupted<T>(mut wait: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
