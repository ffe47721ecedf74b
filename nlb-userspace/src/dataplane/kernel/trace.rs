//! The per-packet trace: a second program, with the trace compiled in, runs in place of the first while it is on.

use std::os::fd::AsFd as _;

use aya::Ebpf;
use aya::programs::ProgramFd;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};
use tokio::sync::mpsc::{Sender, channel};

use super::KernelError;
use super::object::Loaded;
use super::reader::{self, Over, Reader};
use crate::dataplane::TraceLines;

/// Lines that wait for the reader. What comes when it is full is lost: packets don't wait for people.
const WAITING_LINES: usize = 4096;

/// A trace that is on.
pub(super) struct Trace {
    pub(super) program: ProgramFd,
    _reader: Reader,
}

impl Trace {
    /// Begins to read what `traced` will log once it runs.
    pub(super) fn begin(traced: Loaded) -> Result<(Self, TraceLines), KernelError> {
        let Loaded { mut object, program } = traced;
        let (sender, lines) = channel(WAITING_LINES);
        let logger = logger(&mut object, sender.clone())?;
        let reader = Reader::begin("nlb-trace", move |over| read(logger, &sender, over));
        Ok((Self { program, _reader: reader.map_err(KernelError::TraceThread)? }, lines))
    }
}

fn logger(object: &mut Ebpf, sender: Sender<String>) -> Result<EbpfLogger<Lines>, KernelError> {
    Ok(EbpfLogger::init_with_logger(object, Lines(sender))?)
}

/// Reads until the trace is over or nobody listens.
fn read(mut logger: EbpfLogger<Lines>, sender: &Sender<String>, over: &Over) {
    while !over.is_set() && !sender.is_closed() {
        if !reader::wait(logger.as_fd()) {
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
