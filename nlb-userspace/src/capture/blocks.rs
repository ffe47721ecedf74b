//! A capture as the blocks of a pcapng file, which whoever writes them one after the other gets.
//!
//! Two interfaces: 0 is what came in, 1 what went out. A packet's comment says what became of it. Statistics, which may come at any
//! time, say how many packets were lost so far.

use std::borrow::Cow;
use std::mem;
use std::time::{Duration, SystemTime};

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{Block as Raw, PcapNgParser, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError};

use super::Filter;
use crate::dataplane::{CapturedFrame, CapturedPacket};

/// Number of the interface, and the direction in a packet's flags.
const IN: (u32, u32) = (0, 1);
const OUT: (u32, u32) = (1, 2);

/// Nanoseconds: 10 to the power of minus this.
const RESOLUTION: u8 = 9;

/// Makes blocks.
pub struct Blocks(PcapNgWriter<Vec<u8>>);

impl Blocks {
    /// The blocks of a capture with that filter, which keeps so many bytes of each frame.
    ///
    /// # Errors
    /// None, as long as there is memory; the format's library knows no writer that can't fail.
    pub fn begin(filter: &Filter, snaplen: u32) -> Result<Self, PcapError> {
        let program = Cow::from(concat!("nlb ", env!("CARGO_PKG_VERSION")));
        let section = SectionHeaderBlock {
            endianness: Endianness::native(),
            options: vec![SectionHeaderOption::UserApplication(program)],
            ..SectionHeaderBlock::default()
        };
        let mut writer = PcapNgWriter::with_section_header(Vec::new(), section)?;
        let filter = filter.to_string();
        for (name, about) in [("in", "packets as they came to the edge"), ("out", "packets as they left the edge")] {
            let mut options = vec![
                InterfaceDescriptionOption::IfName(name.into()),
                InterfaceDescriptionOption::IfDescription(about.into()),
                InterfaceDescriptionOption::IfTsResol(RESOLUTION),
            ];
            if !filter.is_empty() {
                options.push(InterfaceDescriptionOption::Comment(format!("filter: {filter}").into()));
            }
            writer.write_pcapng_block(InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen, options })?;
        }
        Ok(Self(writer))
    }

    /// Adds a packet as it came, and as it left if it did, with a comment each.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn packet(&mut self, packet: &CapturedPacket, comment: &str) -> Result<(), PcapError> {
        self.frame(IN, packet.received, &packet.before, comment)?;
        match &packet.after {
            Some(after) => self.frame(OUT, packet.decided, after, comment),
            None => Ok(()),
        }
    }

    fn frame(
        &mut self,
        (interface_id, direction): (u32, u32),
        timestamp: Duration,
        frame: &CapturedFrame,
        comment: &str,
    ) -> Result<(), PcapError> {
        let options = vec![EnhancedPacketOption::Comment(comment.into()), EnhancedPacketOption::Flags(direction)];
        let data = Cow::from(&frame.bytes);
        let block = EnhancedPacketBlock { interface_id, timestamp, original_len: frame.length, data, options };
        self.0.write_pcapng_block(block).map(drop)
    }

    /// Adds that so many packets were lost since the beginning.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn lost(&mut self, packets: u64) -> Result<(), PcapError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let block = InterfaceStatisticsBlock {
            interface_id: IN.0,
            // The format has the upper half first in either byte order; the library writes one number.
            timestamp: if cfg!(target_endian = "little") { nanoseconds.rotate_left(32) } else { nanoseconds },
            options: vec![InterfaceStatisticsOption::IsbIfDrop(packets)],
        };
        self.0.write_pcapng_block(block).map(drop)
    }

    /// The bytes of what was added since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(self.0.get_mut())
    }
}

/// A whole block: its bytes, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// As it stands in the file.
    pub bytes: Vec<u8>,
    /// What it tells.
    pub told: Told,
}

/// What a block tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A packet as it came.
    Packet,
    /// So many packets were lost so far.
    Lost(u64),
    /// Something else.
    Other,
}

/// Finds the blocks in bytes that come bit by bit.
#[derive(Default)]
pub struct Splitter {
    parser: Option<PcapNgParser>,
    pending: Vec<u8>,
}

impl Splitter {
    /// Where what comes is appended.
    pub const fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// The next block; `None` as long as it isn't there whole.
    ///
    /// # Errors
    /// When the bytes are no pcapng file.
    pub fn next_block(&mut self) -> Result<Option<Block>, PcapError> {
        let (rest, told) = match self.step() {
            Ok((rest, told)) => (rest, told),
            Err(PcapError::IncompleteBuffer) => return Ok(None),
            Err(error) => return Err(error),
        };
        let whole = self.pending.len() - rest;
        Ok(Some(Block { bytes: self.pending.drain(..whole).collect(), told }))
    }

    /// How much is left behind the next block, and what that tells.
    fn step(&mut self) -> Result<(usize, Told), PcapError> {
        let Some(parser) = &mut self.parser else {
            let (rest, parser) = PcapNgParser::new(&self.pending)?;
            let rest = rest.len();
            self.parser = Some(parser);
            return Ok((rest, Told::Other));
        };
        let (rest, block) = parser.next_block(&self.pending)?;
        Ok((rest.len(), told(&block)))
    }
}

fn told(block: &Raw<'_>) -> Told {
    match block {
        Raw::EnhancedPacket(packet) if packet.interface_id == IN.0 => Told::Packet,
        Raw::InterfaceStatistics(statistics) => {
            let lost = statistics.options.iter().find_map(|option| match option {
                InterfaceStatisticsOption::IsbIfDrop(packets) => Some(*packets),
                _ => None,
            });
            lost.map_or(Told::Other, Told::Lost)
        }
        _ => Told::Other,
    }
}
