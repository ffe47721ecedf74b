//! A TCP server on a host that sends each line back under the host's name.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use nix::sys::socket::{Shutdown, shutdown};

use super::host::Host;

/// Those that are open; each belongs to the thread that answers it.
type Connections = Arc<Mutex<Vec<Weak<TcpStream>>>>;

/// A running server. Dropping it ends it and all its connections, as the end of a process would.
#[derive(Debug)]
pub struct LineEcho {
    listener: TcpListener,
    open: Connections,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LineEcho {
    fn drop(&mut self) {
        // Ends the wait for the next connection.
        if let Err(error) = shutdown(self.listener.as_raw_fd(), Shutdown::Both) {
            eprintln!("a line echo server cannot be ended: {error}");
            return;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("a line echo server panicked");
        }
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            // One that its client ended meanwhile is what is wanted.
            stream.shutdown(std::net::Shutdown::Both).unwrap_or_default();
        }
    }
}

impl Host {
    /// Starts a server at that port of every address of this host, answering `NAME LINE` to each line.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn line_echo(&self, port: u16) -> Result<LineEcho> {
        let listener = self
            .inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))?
            .with_context(|| format!("cannot listen on port {port} of {}", self.name()))?;
        let (incoming, open, name) = (listener.try_clone()?, Connections::default(), self.name().to_owned());
        let connections = Arc::clone(&open);
        let thread = thread::spawn(move || {
            for stream in incoming.incoming().map_while(Result::ok) {
                let (stream, name) = (Arc::new(stream), name.clone());
                let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
                connections.retain(|known| known.strong_count() > 0);
                connections.push(Arc::downgrade(&stream));
                // A connection that breaks is for the client to count.
                thread::spawn(move || answer(&stream, &name).unwrap_or_default());
            }
        });
        Ok(LineEcho { listener, open, thread: Some(thread) })
    }
}

fn answer(stream: &TcpStream, name: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream;
    for line in BufReader::new(stream).lines() {
        writer.write_all(format!("{name} {}\n", line?).as_bytes())?;
    }
    Ok(())
}
