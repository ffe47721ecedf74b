//! The per-packet trace: a second program, with the trace compiled in, runs in place of the first while it is on.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use aya::Ebpf;
use aya::programs::ProgramFd;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::{Sender, channel};

use super::KernelError;
use super::object::Loaded;
use crate::dataplane::TraceLines;

/// Lines that wait for the reader. What comes when it is full is lost: packets don't wait for people.
const WAITING_LINES: usize = 4096;

/// How soon the reading thread sees that it is to end, in milliseconds.
const ATTENTION: u8 = 100;

/// A trace that is on.
pub(super) struct Trace {
    pub(super) program: ProgramFd,
    over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Trace {
    /// Begins to read what `traced` will log once it runs.
    pub(super) fn begin(traced: Loaded) -> Result<(Self, TraceLines), KernelError> {
        let Loaded { mut object, program } = traced;
        let (sender, lines) = channel(WAITING_LINES);
        let logger = logger(&mut object, sender.clone())?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let reader = std::thread::Builder::new()
            .name("nlb-trace".to_owned())
            .spawn(move || read(logger, &sender, &ended))
            .map_err(KernelError::TraceThread)?;
        Ok((Self { program, over, reader: Some(reader) }, lines))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            tracing::warn!("the packet trace ended early: it had a line that could not be read");
        }
    }
}

fn logger(object: &mut Ebpf, sender: Sender<String>) -> Result<EbpfLogger<Lines>, KernelError> {
    Ok(EbpfLogger::init_with_logger(object, Lines(sender))?)
}

/// Reads until the trace is over or nobody listens.
fn read(mut logger: EbpfLogger<Lines>, sender: &Sender<String>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) && !sender.is_closed() {
        let waited = poll(&mut [PollFd::new(logger.as_fd(), PollFlags::POLLIN)], PollTimeout::from(ATTENTION));
        if waited.is_err_and(|errno| errno != nix::Error::EINTR) {
            return;
        }
        logger.flush();
    }
    logger.flush();
}

/// Hands lines on.
struct Lines(Sender<String>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Full or closed: the line is lost, as said above.
        self.0.try_send(record.args().to_string()).ok();
    }

    fn flush(&self) {}
}
