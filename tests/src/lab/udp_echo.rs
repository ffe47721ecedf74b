//! A UDP server on a host that answers each datagram with the host's name, the sender's address and the datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::host::Host;

/// How often a server that nobody asks looks whether it should end.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// A running echo server. Dropping it ends it.
#[derive(Debug)]
pub struct UdpEcho {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl UdpEcho {
    /// How many datagrams came.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("a UDP echo server panicked");
        }
    }
}

impl Host {
    /// Starts a UDP echo server at an address of this host (a VIP must be on it before), answering
    /// `NAME SENDER-ADDRESS PAYLOAD`.
    ///
    /// # Errors
    /// When the host does not have the address, or the port is taken.
    pub fn udp_echo(&self, address: SocketAddr) -> Result<UdpEcho> {
        let socket = self
            .inside(|| UdpSocket::bind(address))?
            .with_context(|| format!("cannot listen on {address} of {}", self.name()))?;
        socket.set_read_timeout(Some(HEARTBEAT))?;
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (seen_stop, count, name) = (Arc::clone(&stop), Arc::clone(&received), self.name().to_owned());
        let thread = thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while !seen_stop.load(Ordering::Relaxed) {
                let Ok((length, sender)) = socket.recv_from(&mut buffer) else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                let mut answer = format!("{name} {} ", sender.ip()).into_bytes();
                answer.extend_from_slice(&buffer[..length]);
                // Whoever asked notices that no answer comes.
                if let Err(error) = socket.send_to(&answer, sender) {
                    eprintln!("a UDP echo server cannot answer {sender}: {error}");
                }
            }
        });
        Ok(UdpEcho { stop, received, thread: Some(thread) })
    }

    /// Sends one datagram from a new port and waits a second for the answer.
    ///
    /// # Errors
    /// When it cannot be sent or nothing comes back.
    pub fn udp_ask(&self, server: SocketAddr, payload: &[u8]) -> Result<String> {
        self.inside(|| exchange(server, payload))?
            .map(|(_, answer)| answer)
            .with_context(|| format!("no answer by UDP from {server}"))
    }

    /// Sends a datagram from each of so many ports, one after the other, and waits a second for each answer.
    ///
    /// # Errors
    /// When one cannot be sent or nothing comes back.
    pub fn udp_ask_from_ports(&self, ports: usize, server: SocketAddr, payload: &[u8]) -> Result<()> {
        // While a socket is open, no other gets its port.
        let asked: io::Result<Vec<_>> = self.inside(|| (0..ports).map(|_| exchange(server, payload)).collect())?;
        asked.map(drop).with_context(|| format!("no answer by UDP from {server}"))
    }
}

/// A datagram from a new port to the server; the socket, and the answer.
fn exchange(server: SocketAddr, payload: &[u8]) -> io::Result<(UdpSocket, String)> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.connect(server)?;
    socket.send(payload)?;
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok((socket, String::from_utf8_lossy(&buffer).into_owned()))
}
