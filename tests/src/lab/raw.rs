//! What programs don't do by themselves: a connection from a certain address, and packets under another's name.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::host::Host;

/// IPPROTO_RAW: the IP header is the sender's too (raw(7)).
const RAW: i32 = 255;

impl Host {
    /// Opens a connection from an address of this host; port 0 is any. A connection that had the same port and was closed
    /// before doesn't keep it from being used again.
    ///
    /// # Errors
    /// When this host has no such namespace.
    pub fn connect_from(
        &self,
        source: SocketAddr,
        server: SocketAddr,
        patience: Duration,
    ) -> Result<io::Result<TcpStream>> {
        self.inside(|| {
            let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
            socket.connect_timeout(&server.into(), patience)?;
            Ok(socket.into())
        })
    }

    /// Sends an IP packet as it is, whatever source it names, to where its destination is routed.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn send_raw(&self, destination: IpAddr, packet: &[u8]) -> Result<()> {
        let to = SockAddr::from(SocketAddr::new(destination, 0));
        let send = || {
            let socket =
                Socket::new(Domain::for_address(SocketAddr::new(destination, 0)), Type::RAW, Some(RAW.into()))?;
            socket.send_to(packet, &to)
        };
        self.inside(send)?.with_context(|| format!("cannot send a packet to {destination} from {}", self.name()))?;
        Ok(())
    }
}
