//! Captures: a program that stands before the one that balances, and the thread that reads what it hands over.

use std::os::fd::AsFd as _;
use std::time::{Duration, SystemTime};

use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::ProgramFd;
use nix::time::{ClockId, clock_gettime};
use nlb_common::capture::Order;
use nlb_common::layout::edge;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Sender, channel};

use super::KernelError;
use super::object::Loaded;
use super::reader::{self, Over, Reader};
use super::tables::typed;
use crate::dataplane::{CaptureEvent, CapturedPacket, Captures};

/// Bytes of the ring buffer: room for some 10,000 small packets, as they come and as they leave.
pub(super) const ROOM: u32 = 4 << 20;

/// Packets that wait for the reader outside of the ring buffer.
const WAITING_PACKETS: usize = 1024;

/// How long the thread pauses for a reader that is slow.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the program goes on capturing once nobody reads any more: an agent that was killed can't switch it off.
const LEASE: Duration = Duration::from_secs(2);

/// A capture that is on.
pub(super) struct Capture {
    pub(super) program: ProgramFd,
    _reader: Reader,
}

impl Capture {
    /// Begins to read what `loaded` will capture once it runs.
    pub(super) fn begin(loaded: Loaded, order: Order) -> Result<(Self, Captures), KernelError> {
        let Loaded { mut object, program } = loaded;
        let (sender, captures) = channel(WAITING_PACKETS);
        let mut source = Source::take(&mut object, order, sender)?;
        source.renew()?;
        let reader = Reader::begin("nlb-capture", move |over| source.read(over));
        Ok((Self { program, _reader: reader.map_err(KernelError::CaptureThread)? }, captures))
    }
}

/// Where packets come from and where they go.
struct Source {
    ring: RingBuf<MapData>,
    order_table: Array<MapData, Order>,
    lost_table: PerCpuArray<MapData, u64>,
    order: Order,
    lost: u64,
    sender: Sender<CaptureEvent>,
}

impl Source {
    fn take(object: &mut Ebpf, order: Order, sender: Sender<CaptureEvent>) -> Result<Self, KernelError> {
        Ok(Self {
            ring: typed(object, edge::CAPTURED)?,
            order_table: typed(object, edge::CAPTURE_ORDER)?,
            lost_table: typed(object, edge::CAPTURE_LOST)?,
            order,
            lost: 0,
            sender,
        })
    }

    /// Puts the end of the order off.
    fn renew(&mut self) -> Result<(), KernelError> {
        let until = uptime().saturating_add(LEASE);
        self.order.until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        let written = self.order_table.set(0, self.order, 0);
        written.map_err(|source| KernelError::Table { action: "write", table: edge::CAPTURE_ORDER, source })
    }

    /// Reads until the capture is over or nobody listens.
    fn read(mut self, over: &Over) {
        while !over.is_set() && !self.sender.is_closed() {
            if let Err(error) = self.renew() {
                tracing::warn!(%error, "the capture ends");
                return;
            }
            if !reader::wait(self.ring.as_fd()) || self.drain(over).is_none() {
                return;
            }
        }
    }

    /// Hands on what is there. `None`: it is over.
    fn drain(&mut self, over: &Over) -> Option<()> {
        let boot = boot();
        while let Some(packet) = self.ring.next().map(|bytes| CapturedPacket::parse(&bytes, boot)) {
            // Whatever the program writes is a packet.
            if let Some(packet) = packet {
                self.hand_on(CaptureEvent::Packet(packet), over)?;
            }
        }
        let lost = self.lost_table.get(&0, 0).map_or(self.lost, |of_cpus| of_cpus.iter().sum());
        if lost != self.lost {
            self.lost = lost;
            self.hand_on(CaptureEvent::Lost(lost), over)?;
        }
        Some(())
    }

    /// Waits for a reader that is slow, so that what is lost is lost in the kernel, where it is counted.
    fn hand_on(&mut self, mut event: CaptureEvent, over: &Over) -> Option<()> {
        loop {
            match self.sender.try_send(event) {
                Ok(()) => return Some(()),
                Err(TrySendError::Full(back)) if !over.is_set() => event = back,
                Err(_) => return None,
            }
            self.renew().ok()?;
            std::thread::sleep(PAUSE);
        }
    }
}

/// When the kernel's monotonic clock began, since 1970.
fn boot() -> Duration {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since_1970.saturating_sub(uptime())
}

/// The kernel's monotonic clock.
fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has this clock").into()
}
