//! Connections that stay open, each of which says a numbered line every 100 ms and wants it back.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::host::Host;

const PACE: Duration = Duration::from_millis(100);

/// How long an answer may take. Above several retransmissions in a row, so that a packet lost by chance is not a
/// connection that broke.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections to [`LineEcho`](super::LineEcho) servers, in use until they are stopped.
#[derive(Debug)]
pub struct Flows {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Flow>>>,
}

/// What became of connections.
#[derive(Debug, Clone, Default)]
pub struct FlowReport {
    /// Lines that came back.
    pub lines: u64,
    /// How many connections each target had.
    pub opened: BTreeMap<String, usize>,
    /// Why connections of each target broke.
    pub broken: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Flow {
    stream: TcpStream,
    /// The target that answered first, and has to answer always.
    home: String,
    sent: u64,
    answered: u64,
    heard: Instant,
    /// What came of an answer that is not whole yet.
    partial: Vec<u8>,
    broken: Option<String>,
}

impl Host {
    /// Opens that many connections, and keeps them in use.
    ///
    /// # Errors
    /// When one does not open or its first line does not come back: then it is not one that breaks later.
    pub fn flows(&self, server: SocketAddr, count: usize) -> Result<Flows> {
        let open = || (0..count).map(|_| Flow::open(server)).collect::<io::Result<Vec<_>>>();
        let mut flows = self.inside(open)?.with_context(|| format!("cannot open a connection to {server}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                flows.iter_mut().for_each(Flow::say);
                thread::sleep(PACE);
                flows.iter_mut().for_each(Flow::listen);
            }
            // Each comes to an end: whole or broken.
            while flows.iter().any(Flow::waits) {
                thread::sleep(PACE);
                flows.iter_mut().for_each(Flow::listen);
            }
            flows
        });
        Ok(Flows { stop, thread: Some(thread) })
    }
}

impl Flows {
    /// Ends them, once each has its last answer or is broken.
    #[must_use]
    pub fn stop(mut self) -> FlowReport {
        let mut report = FlowReport::default();
        for flow in self.join() {
            report.lines += flow.answered;
            *report.opened.entry(flow.home.clone()).or_default() += 1;
            if let Some(why) = flow.broken {
                report.broken.entry(flow.home).or_default().push(why);
            }
        }
        report
    }

    fn join(&mut self) -> Vec<Flow> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or_else(Vec::new, |thread| match thread.join() {
            Ok(flows) => flows,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl FlowReport {
    /// Adds what became of others.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        for (target, count) in other.opened {
            *self.opened.entry(target).or_default() += count;
        }
        for (target, reasons) in other.broken {
            self.broken.entry(target).or_default().extend(reasons);
        }
    }

    /// How many broke.
    #[must_use]
    pub fn broken_count(&self) -> usize {
        self.broken.values().map(Vec::len).sum()
    }
}

impl Flow {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        stream.write_all(b"1\n")?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\n") {
            stream.read_exact(&mut byte)?;
            answer.extend(byte);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let home = answer.strip_suffix(" 1\n").map(str::to_owned);
        let home = home.ok_or_else(|| io::Error::other(format!("not the line that was said: {answer:?}")))?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, home, sent: 1, answered: 1, heard: Instant::now(), partial: Vec::new(), broken: None })
    }

    const fn waits(&self) -> bool {
        self.broken.is_none() && self.answered < self.sent
    }

    /// Says the next line. What waits for answers is a few bytes: there is always room for more.
    fn say(&mut self) {
        if self.broken.is_some() {
            return;
        }
        if !self.waits() {
            self.heard = Instant::now();
        }
        self.sent += 1;
        if let Err(error) = self.stream.write_all(format!("{}\n", self.sent).as_bytes()) {
            self.breaks(&error.to_string());
        }
    }

    /// Takes what came back.
    fn listen(&mut self) {
        let mut part = [0; 1024];
        while self.broken.is_none() {
            match self.stream.read(&mut part) {
                Ok(0) => self.breaks("it was closed"),
                Ok(length) => {
                    self.partial.extend(part.iter().take(length));
                    self.check();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => self.breaks(&error.to_string()),
            }
        }
        if self.waits() && self.heard.elapsed() > PATIENCE {
            self.breaks("no answer came");
        }
    }

    fn check(&mut self) {
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if line.trim_end() != format!("{} {}", self.home, self.answered + 1) {
                self.breaks(&format!("another answer came: {line:?}"));
                return;
            }
            self.answered += 1;
            self.heard = Instant::now();
        }
    }

    fn breaks(&mut self, why: &str) {
        let why = format!("after line {} of {}: {why}", self.answered, self.sent);
        self.broken.get_or_insert(why);
    }
}
