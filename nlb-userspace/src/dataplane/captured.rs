//! Captured packets, as they come from the packet path.

use std::time::Duration;

use nlb_common::capture::Record;
use nlb_common::drop_reason::DropReason;
use nlb_common::way::WayOutcome;

/// Packets as they are captured. They wait for whoever reads; what the kernel has no more room for meanwhile is lost, and counted.
pub type Captures = tokio::sync::mpsc::Receiver<CaptureEvent>;

/// What a capture tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureEvent {
    /// A packet.
    Packet(CapturedPacket),
    /// So many packets were lost since the capture began.
    Lost(u64),
}

/// A packet and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When it came, since 1970.
    pub received: Duration,
    /// When what becomes of it was decided.
    pub decided: Duration,
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// The XDP action.
    pub action: u32,
    /// Why it was dropped.
    pub reason: Option<DropReason>,
    /// What a way off the fast path did with it.
    pub outcome: Option<WayOutcome>,
    /// The frame as it came.
    pub before: CapturedFrame,
    /// The frame as it left.
    pub after: Option<CapturedFrame>,
}

/// A frame, of which the first bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Its length in bytes.
    pub length: u32,
    /// What is kept.
    pub bytes: Vec<u8>,
}

impl CapturedFrame {
    /// The frame in its whole length, with zeros for what was not kept.
    pub fn padded(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(usize::try_from(self.length).unwrap_or(bytes.len()), 0);
        bytes
    }
}

impl CapturedPacket {
    /// What stands in the kernel's ring buffer, if it is a packet. `boot` is when the kernel's clock began, since 1970.
    pub fn parse(bytes: &[u8], boot: Duration) -> Option<Self> {
        let (record, before, after) = Record::parse(bytes)?;
        let frame = |length, bytes: &[u8]| CapturedFrame { length, bytes: bytes.to_vec() };
        Some(Self {
            received: boot.saturating_add(Duration::from_nanos(record.received)),
            decided: boot.saturating_add(Duration::from_nanos(record.decided)),
            interface: record.interface,
            action: record.action,
            reason: record.drop_reason(),
            outcome: record.way_outcome(),
            before: frame(record.length_before, before),
            after: (record.length_after > 0).then(|| frame(record.length_after, after)),
        })
    }
}
