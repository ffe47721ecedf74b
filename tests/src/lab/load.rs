//! Steady load: one request after another, each on a connection of its own, while something else happens.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::host::Host;

/// How long one step of a request (connect, read) may take. Above the first retransmission of a SYN (1 s), so that
/// a packet lost by chance is not a request that failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two requests, so that the load leaves time for what it is there to watch.
const PAUSE: Duration = Duration::from_millis(2);

/// One request of the load.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it began.
    pub began: Instant,
    /// The name of the target that answered, or why none did.
    pub answer: Result<String, String>,
}

/// Load that runs until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Outcome>>>,
}

impl Load {
    /// Ends it, and gives all requests in the order in which they began.
    #[must_use]
    pub fn stop(mut self) -> Vec<Outcome> {
        let mut all = self.join();
        all.sort_by_key(|outcome| outcome.began);
        all
    }

    fn join(&mut self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).flat_map(|thread| thread.join().unwrap_or_default()).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

impl Outcome {
    /// How many requests each target answered.
    #[must_use]
    pub fn per_target(outcomes: &[Self]) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for name in outcomes.iter().filter_map(|outcome| outcome.answer.as_deref().ok()) {
            *counts.entry(name).or_default() += 1;
        }
        counts
    }
}

impl Host {
    /// Fetches `/` of an HTTP server again and again, `parallel` at a time.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn load(&self, server: SocketAddr, parallel: usize) -> Result<Load> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = || {
            let stop = Arc::clone(&stop);
            // A thread that is started by one inside the namespace stays there.
            thread::spawn(move || {
                let mut outcomes = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answer = request(server).map_err(|error| error.to_string());
                    outcomes.push(Outcome { began, answer });
                    thread::sleep(PAUSE);
                }
                outcomes
            })
        };
        let threads = self.inside(|| (0..parallel).map(|_| work()).collect())?;
        Ok(Load { stop, threads })
    }
}

fn request(server: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: vip\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.starts_with("HTTP/1.1 200 ").then(|| answer.split_once("\r\n\r\n")).flatten();
    let name = body.and_then(|(_, body)| body.split_whitespace().next());
    name.map(str::to_owned).ok_or_else(|| io::Error::other(format!("not the page that was asked for: {answer:?}")))
}
