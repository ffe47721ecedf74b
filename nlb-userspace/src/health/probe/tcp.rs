//! Connections to targets, and the check that asks for no more.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::error::{ProbeError, Stage};

/// Whether `target` opens a connection.
///
/// The kernel answers `SYN` with `SYN, ACK` when a socket listens and has room in its queue; that is what a TCP check
/// asks. With quick acknowledgements off, our kernel delays the `ACK` that ends the handshake, in case data comes to go
/// with it; closing with a linger of 0 sends a reset instead. The target's kernel forgets the connection, and the
/// application never sees it: no `accept`, no worker woken, no "connection reset" in its log at every check.
pub(super) async fn ask(target: SocketAddr) -> Result<(), ProbeError> {
    let socket = socket(target)?;
    let quick = SockRef::from(&socket).set_tcp_quickack(false);
    quick.map_err(|error| ProbeError::io(Stage::Connection, &error))?;
    open(socket, target).await.map(drop)
}

/// A connection to `target`, that ends with a reset when it is dropped.
pub(super) async fn connect(target: SocketAddr) -> Result<TcpStream, ProbeError> {
    let stream = open(socket(target)?, target).await?;
    // A request is one small write: it must not wait for anything.
    stream.set_nodelay(true).map_err(|error| ProbeError::io(Stage::Connection, &error))?;
    Ok(stream)
}

fn socket(target: SocketAddr) -> Result<TcpSocket, ProbeError> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| ProbeError::io(Stage::Connection, &error))?;
    let linger = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    linger.map_err(|error| ProbeError::io(Stage::Connection, &error))?;
    Ok(socket)
}

async fn open(socket: TcpSocket, target: SocketAddr) -> Result<TcpStream, ProbeError> {
    socket.connect(target).await.map_err(|error| ProbeError::io(Stage::Connection, &error))
}
