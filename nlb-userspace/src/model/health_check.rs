//! How targets are checked.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of a group's health check.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked of the target.
    pub probe: Probe,
    /// Port to check, `None` for the target's own.
    pub port: Option<u16>,
    /// Time between checks of one target: 100 ms to 300 s, 5 s by default.
    pub interval: Duration,
    /// Interval while a target's state is changing (`initial`, or part of a threshold counted); never above `interval`.
    pub fast_interval: Duration,
    /// How long an answer may take: never above `interval`, 2 s by default.
    pub timeout: Duration,
    /// Passes in a row that make a target healthy: 1 to 10, 2 by default.
    pub healthy_threshold: u32,
    /// Failures in a row that make it unhealthy: 1 to 10, 2 by default.
    pub unhealthy_threshold: u32,
}

/// What is asked of a target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Probe {
    /// A connection that opens.
    Tcp,
    /// A GET that is answered as expected.
    Http {
        /// Over TLS.
        tls: bool,
        /// Whether the certificate is verified (TLS only; off by default).
        verify: bool,
        /// Path and query, beginning with `/`.
        path: String,
        /// Value of the `Host` header and of TLS server name, `None` for the target's address.
        host: Option<String>,
        /// Status codes that pass, `200-399` by default.
        codes: Vec<CodeRange>,
        /// Text that the first 64 KiB of the body must hold.
        body: Option<String>,
    },
}

/// An inclusive range of HTTP status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeRange {
    /// First code that passes.
    pub first: u16,
    /// Last code that passes.
    pub last: u16,
}

impl CodeRange {
    /// Whether `code` is within.
    pub const fn contains(&self, code: u16) -> bool {
        self.first <= code && code <= self.last
    }
}

impl fmt::Display for CodeRange {
    /// `200`, or `200-399`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            probe: Probe::Tcp,
            port: None,
            interval: Duration::from_secs(5),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        }
    }
}
