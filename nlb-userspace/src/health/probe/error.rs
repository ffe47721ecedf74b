//! What a check can come to, in words that people see as a target's reason.

use std::io;
use std::time::Duration;

/// What a check waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The addresses of a name.
    Name,
    /// The TCP connection.
    Connection,
    /// The TLS handshake.
    Handshake,
    /// Status line and headers.
    Head,
    /// The body.
    Body,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "the name to be resolved",
            Self::Connection => "the connection to open",
            Self::Handshake => "the TLS handshake",
            Self::Head => "the response head",
            Self::Body => "the response body",
        })
    }
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// A server's name has no address.
    #[error("`{name}` has no address: {what}")]
    NoAddress {
        /// The name.
        name: String,
        /// In the resolver's words.
        what: String,
    },
    /// Nothing listens on the port.
    #[error("connection refused")]
    ConnectionRefused,
    /// The target ended the connection with a reset.
    #[error("connection reset while waiting for {stage}")]
    ConnectionReset {
        /// What was awaited.
        stage: Stage,
    },
    /// The target closed the connection before the answer was whole.
    #[error("connection closed while waiting for {stage}")]
    ConnectionClosed {
        /// What was awaited.
        stage: Stage,
    },
    /// No answer in time.
    #[error("timed out after {} s waiting for {stage}", after.as_secs_f64())]
    TimedOut {
        /// What was awaited.
        stage: Stage,
        /// The check's timeout.
        after: Duration,
    },
    /// The network says that there is no way: `host unreachable`, `network unreachable`.
    #[error("{what}: no route, or no answer on the target's network")]
    Unreachable {
        /// In the kernel's words.
        what: String,
    },
    /// A firewall of this host forbids it.
    #[error("not permitted: a firewall on this host forbids the check")]
    NotPermitted,
    /// The socket failed in another way.
    #[error("waiting for {stage}: {what}")]
    Io {
        /// What was awaited.
        stage: Stage,
        /// In the kernel's words.
        what: String,
    },
    /// What answers is not TLS, or not a version or cipher that we share.
    #[error("TLS handshake: {0}")]
    Tls(String),
    /// The certificate is not one to trust.
    #[error("certificate: {0}")]
    Certificate(String),
    /// `verify` without anything to verify against.
    #[error(
        "certificate can't be verified: this host's store has no CA certificates ({0}); install `ca-certificates`, or \
         set `verify = false`"
    )]
    NoRoots(String),
    /// The host of the settings can't be a TLS server name.
    #[error("`{0}` can't be a TLS server name: use a DNS name or an address")]
    ServerName(String),
    /// Path or host of the settings can't stand in a request.
    #[error("the request can't be made: {0}")]
    Request(String),
    /// What answers is not HTTP.
    #[error("not an HTTP/1 response: {0}")]
    NotHttp(String),
    /// Another status code than expected.
    #[error("status {code}, expected {expected}")]
    Status {
        /// The code.
        code: u16,
        /// The codes that pass: `200-399`.
        expected: String,
    },
    /// The body lacks the text.
    #[error("`{text}` is not in the first {read} bytes of the body")]
    Body {
        /// The text.
        text: String,
        /// How much of the body was looked at.
        read: usize,
    },
    /// More than anybody expects there.
    #[error("the answer is longer than {longest} bytes")]
    TooLong {
        /// So many may be.
        longest: usize,
    },
    /// This host has no file descriptor left.
    #[error("this host has no file descriptor left: raise LimitNOFILE")]
    NoDescriptors,
    /// This host has no local port or no memory left for a connection.
    #[error("this host can't open another connection: {0}")]
    NoResources(String),
}

impl ProbeError {
    /// Whether the cause lies with this host alone, so that it says nothing about the target.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::NoDescriptors | Self::NoResources(_))
    }

    /// A failure of the socket while `stage` was awaited.
    pub(super) fn io(stage: Stage, error: &io::Error) -> Self {
        let what = || error.to_string();
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => return Self::NoDescriptors,
            Some(libc::EADDRNOTAVAIL | libc::ENOBUFS | libc::ENOMEM) => return Self::NoResources(what()),
            Some(libc::EPERM | libc::EACCES) => return Self::NotPermitted,
            _ => {}
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::ConnectionReset { stage },
            io::ErrorKind::UnexpectedEof => Self::ConnectionClosed { stage },
            io::ErrorKind::HostUnreachable => Self::Unreachable { what: "host unreachable".to_owned() },
            io::ErrorKind::NetworkUnreachable => Self::Unreachable { what: "network unreachable".to_owned() },
            io::ErrorKind::TimedOut => Self::Io { stage, what: "the kernel gave up".to_owned() },
            _ => Self::Io { stage, what: what() },
        }
    }
}
