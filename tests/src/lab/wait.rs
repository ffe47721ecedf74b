//! Waiting for something to become true.

use std::error::Error;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// What was waited for did not happen in time.
#[derive(Debug)]
pub struct Timeout {
    what: String,
    waited: Duration,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {} s in vain: {}", self.waited.as_secs(), self.what)
    }
}

impl Error for Timeout {}

/// Asks again and again, until `condition` gives a value.
///
/// # Errors
/// [`Timeout`] after `limit`, naming `what`.
pub fn wait_until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T, Timeout> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            return Err(Timeout { what: what.to_owned(), waited: limit });
        }
        thread::sleep(Duration::from_millis(10));
    }
}
