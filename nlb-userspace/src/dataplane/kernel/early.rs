//! Fragments that the packet path hands over because their datagram's first one is not known yet, and how they go back to it.
//!
//! Back to the packet path they come as live frames of a test run (kernel 5.18): the program runs on them as if they had come in by
//! the same interface just now, and what it says is done.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError, RingBuf};
use aya::programs::ProgramFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use nlb_common::datagram::{Datagram, DatagramKey, Early};
use nlb_common::layout::edge;

use super::{KernelError, sys};

/// A frame that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// Its bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// The ring of early fragments, and what knows of datagrams.
pub struct EarlyFragments {
    ring: RingBuf<MapData>,
    datagrams: HashMap<MapData, DatagramKey, Datagram>,
    program: ProgramFd,
}

impl EarlyFragments {
    /// Takes the maps out of a loaded object, whose program is `program`.
    pub(super) fn take(object: &mut Ebpf, program: &ProgramFd) -> Result<Self, KernelError> {
        let mut map = |name| object.take_map(name).ok_or(KernelError::NotInObject { name });
        let (ring, datagrams) = (map(edge::EARLY_FRAGMENTS)?, map(edge::FRAGMENTS)?);
        let table = |table| move |source: MapError| KernelError::Table { action: "open", table, source };
        Ok(Self {
            ring: RingBuf::try_from(ring).map_err(table(edge::EARLY_FRAGMENTS))?,
            datagrams: HashMap::try_from(datagrams).map_err(table(edge::FRAGMENTS))?,
            program: program.try_clone().map_err(KernelError::Descriptor)?,
        })
    }

    /// Waits until there is a fragment, no longer than `longest`.
    pub fn wait(&self, longest: Duration) {
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        // Interrupted, or refused: whoever calls looks for himself.
        poll(&mut [PollFd::new(self.ring.as_fd(), PollFlags::POLLIN)], timeout).ok();
    }

    /// The next fragment, and what it is a part of.
    #[expect(clippy::should_implement_trait, reason = "there may be another after there was none")]
    pub fn next(&mut self) -> Option<(DatagramKey, Frame)> {
        let item = self.ring.next()?;
        if item.len() < size_of::<Early>() {
            return None;
        }
        let record = item.as_ptr().cast::<Early>();
        // SAFETY: the record is as long as an `Early`, lies in the ring as long as `item` lives, and was written whole but for what
        // stands behind the frame's end, which isn't read. Integers and arrays of them: every bit pattern is a value.
        let (key, interface, length) = unsafe {
            (
                (&raw const (*record).key).read_unaligned(),
                (&raw const (*record).interface).read_unaligned(),
                (&raw const (*record).length).read_unaligned(),
            )
        };
        let frame = item.get(std::mem::offset_of!(Early, frame)..)?;
        let bytes = frame.get(..usize::try_from(length).ok()?)?.to_vec();
        Some((key, Frame { interface, bytes }))
    }

    /// Whether the packet path knows what becomes of the datagram.
    pub fn knows(&self, key: &DatagramKey) -> bool {
        self.datagrams.get(key, 0).is_ok_and(|datagram| datagram.is_fresh(seconds()))
    }

    /// Has the packet path drop what is or will be there of the datagram.
    pub fn give_up(&mut self, key: &DatagramKey) {
        // A table without room says the same as the entry would.
        self.datagrams.insert(key, Datagram::ended(Datagram::MISSED, seconds()), 0).ok();
    }

    /// Hands a frame to the packet path once more. From a thread in the interface's network namespace.
    pub fn send(&self, frame: &Frame) -> io::Result<()> {
        sys::run_live(self.program.as_fd(), &frame.bytes, frame.interface)
    }
}

/// Seconds of the packet path's clock.
fn seconds() -> u32 {
    let now: Duration = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock").into();
    u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
}
