//! Asking one target once, and fetching what another server has.
//!
//! Each check is a connection of its own: it also proves that the target still takes connections. Two things keep it
//! cheap for the target, which several edges ask for as long as it lives:
//! - all connections end with a reset (`SO_LINGER` 0) once the answer is in, so that no `TIME_WAIT` stays on either
//!   side and 10,000 checks a second don't use up the edge's ports;
//! - a TCP check holds back the last `ACK` of the handshake, and the reset takes its place (see `tcp`).

mod error;
mod http;
mod tcp;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use error::{ProbeError, Stage};
pub use http::Answer;
use rustls::RootCertStore;

use crate::model::{HttpUrl, Probe};

/// What became of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How long a good answer took, or what was wrong.
    pub result: Result<Duration, ProbeError>,
}

/// A document of an HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// The server.
    pub server: &'a HttpUrl,
    /// Path and query below the server's own path: `/metrics`.
    pub path: &'a str,
    /// By TLS, whether the server's certificate is verified.
    pub verify: bool,
    /// The most bytes that it may have.
    pub longest: usize,
}

/// Asks targets. Holds what all checks share; clones share it too.
#[derive(Clone, Debug)]
pub struct Prober {
    tls: Arc<tls::Settings>,
}

impl Prober {
    /// A prober that verifies certificates, where asked to, against the system's store of CA certificates. The store
    /// is read with the first check that needs it.
    pub fn new() -> Self {
        Self { tls: Arc::new(tls::Settings::system()) }
    }

    /// A prober that verifies certificates, where asked to, against `roots`.
    pub fn with_roots(roots: RootCertStore) -> Self {
        Self { tls: Arc::new(tls::Settings::with_roots(roots)) }
    }

    /// Asks `target`. The answer must be whole within `timeout`.
    pub async fn run(&self, target: SocketAddr, probe: &Probe, timeout: Duration) -> Outcome {
        let started = Instant::now();
        let mut stage = Stage::Connection;
        let answer = tokio::time::timeout(timeout, self.ask(target, probe, &mut stage)).await;
        let result = match answer {
            Ok(answer) => answer.map(|()| started.elapsed()),
            Err(_) => Err(ProbeError::TimedOut { stage, after: timeout }),
        };
        Outcome { result }
    }

    /// Fetches a document, at the first of the server's addresses that takes the connection. It must be whole within `timeout`.
    pub async fn fetch(&self, document: &Document<'_>, timeout: Duration) -> Result<Answer, ProbeError> {
        let mut stage = Stage::Name;
        let answer = tokio::time::timeout(timeout, self.read(document, &mut stage)).await;
        answer.unwrap_or(Err(ProbeError::TimedOut { stage, after: timeout }))
    }

    async fn read(&self, document: &Document<'_>, stage: &mut Stage) -> Result<Answer, ProbeError> {
        let Document { server, path, verify, longest } = *document;
        let no_address = |what: String| ProbeError::NoAddress { name: server.name().to_owned(), what };
        let addresses = tokio::net::lookup_host((server.name(), server.port())).await;
        let mut reached = Err(no_address("none".to_owned()));
        *stage = Stage::Connection;
        for address in addresses.map_err(|error| no_address(error.to_string()))? {
            reached = tcp::connect(address).await.map(|stream| (stream, address));
            if reached.is_ok() {
                break;
            }
        }
        let (stream, target) = reached?;
        let (path, host) = (server.below(path), server.authority());
        let tls = server.is_tls();
        let request = http::Request { target, tls, path: &path, host: Some(&host), agent: http::READER };
        if tls {
            *stage = Stage::Handshake;
            let stream = self.tls.handshake(stream, target, Some(&host), verify).await?;
            http::fetch(stream, &request, longest, stage).await
        } else {
            http::fetch(stream, &request, longest, stage).await
        }
    }

    async fn ask(&self, target: SocketAddr, probe: &Probe, stage: &mut Stage) -> Result<(), ProbeError> {
        match probe {
            Probe::Tcp => tcp::ask(target).await,
            Probe::Http { tls, verify, path, host, codes, body } => {
                let request = http::Request { target, tls: *tls, path, host: host.as_deref(), agent: http::CHECKER };
                let expected = http::Expected { codes, body: body.as_deref() };
                let stream = tcp::connect(target).await?;
                if *tls {
                    *stage = Stage::Handshake;
                    let stream = self.tls.handshake(stream, target, host.as_deref(), *verify).await?;
                    http::ask(stream, &request, &expected, stage).await
                } else {
                    http::ask(stream, &request, &expected, stage).await
                }
            }
        }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
