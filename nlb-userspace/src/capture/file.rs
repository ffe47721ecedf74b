//! Reading the packets of a capture file, of either format.

use std::io::{BufRead, BufReader, Read};

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};

/// A packet of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePacket {
    /// Its number, from 1 on, as tcpdump and Wireshark count.
    pub number: u64,
    /// What is kept of the frame.
    pub bytes: Vec<u8>,
    /// Length of the frame.
    pub length: u32,
    /// It is marked as one that left.
    pub leaves: bool,
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no capture.
    #[error("it is neither a pcap nor a pcapng file: {0}")]
    NoCapture(#[source] PcapError),
    /// It is broken.
    #[error("it is broken behind packet {after}: {}", chain(.source))]
    Broken {
        /// Packets before that.
        after: u64,
        /// How.
        source: PcapError,
    },
    /// The packets have no Ethernet header.
    #[error(
        "packet {number} was captured as {link_type:?}, without an Ethernet header: capture on an Ethernet interface, not on `any`"
    )]
    NoEthernet {
        /// Number of the packet.
        number: u64,
        /// What it was captured as.
        link_type: DataLink,
    },
}

/// How a pcapng file begins; pcap files have several beginnings.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// The direction in a packet's flags: out.
const OUT: u32 = 2;

/// Hands the packets of a file to `each`, until that wants no more.
///
/// # Errors
/// When the file is none, or broken, or not of an Ethernet.
pub fn packets(file: impl Read, mut each: impl FnMut(FilePacket) -> bool) -> Result<(), FileError> {
    let mut file = BufReader::new(file);
    let begins = file.fill_buf().map_err(|error| FileError::NoCapture(PcapError::IoError(error)))?;
    if begins.starts_with(&PCAPNG) { of_pcapng(file, &mut each) } else { of_pcap(file, &mut each) }
}

fn of_pcap(file: impl Read, each: &mut impl FnMut(FilePacket) -> bool) -> Result<(), FileError> {
    let mut reader = PcapReader::new(file).map_err(FileError::NoCapture)?;
    let link_type = reader.header().datalink;
    let mut number = 0;
    // Raw: the library takes a packet for broken that was longer than what was kept of it.
    while let Some(packet) = reader.next_raw_packet() {
        let packet = packet.map_err(|source| FileError::Broken { after: number, source })?;
        number += 1;
        let (bytes, length) = (packet.data.into_owned(), packet.orig_len);
        if !each(checked(FilePacket { number, bytes, length, leaves: false }, link_type)?) {
            break;
        }
    }
    Ok(())
}

fn of_pcapng(file: impl Read, each: &mut impl FnMut(FilePacket) -> bool) -> Result<(), FileError> {
    let mut reader = PcapNgReader::new(file).map_err(FileError::NoCapture)?;
    let mut number = 0;
    loop {
        let Some(block) = reader.next_block() else { return Ok(()) };
        let block = block.map_err(|source| FileError::Broken { after: number, source })?.into_owned();
        let (interface, bytes, length, leaves) = match block {
            Block::EnhancedPacket(packet) => {
                let is_out = |option: &EnhancedPacketOption<'_>| matches!(option, EnhancedPacketOption::Flags(flags) if flags & 3 == OUT);
                let leaves = packet.options.iter().any(is_out);
                (packet.interface_id, packet.data, packet.original_len, leaves)
            }
            Block::SimplePacket(packet) => (0, packet.data, packet.original_len, false),
            _ => continue,
        };
        number += 1;
        let described = usize::try_from(interface).ok().and_then(|interface| reader.interfaces().get(interface));
        let link_type = described.map_or(DataLink::NULL, |interface| interface.linktype);
        let packet = FilePacket { number, bytes: bytes.into_owned(), length, leaves };
        if !each(checked(packet, link_type)?) {
            return Ok(());
        }
    }
}

fn checked(packet: FilePacket, link_type: DataLink) -> Result<FilePacket, FileError> {
    match link_type {
        DataLink::ETHERNET => Ok(packet),
        _ => Err(FileError::NoEthernet { number: packet.number, link_type }),
    }
}

fn chain(error: &PcapError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
