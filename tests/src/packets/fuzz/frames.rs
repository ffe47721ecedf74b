//! The packets: the fuzzer's seeds, described ones of few flows, tunnels, fragments; as they are, or with something changed.

use std::fs;
use std::net::IpAddr;

use etherparse::IpNumber;
use nlb_common::hash::Flow;

use super::host::{EDGES, HOST, STRANGERS};
use super::tables::PORTS;
use crate::packets::corpus;
use crate::packets::described::{CUSTOMER, Described, Network, PROVIDER, Segment, Tag, networks};
use crate::packets::garbage::Garbage;
use crate::packets::icmp::Message;
use crate::packets::pieces::Piece;
use crate::packets::reference::{frame, gue};
use crate::packets::world::VIPS;

/// The longest frame.
const LONGEST: usize = 1_500;
/// Clients' addresses, and ports of each: few flows, so that packets meet again.
const CLIENTS: usize = 8;
/// Where mutations leave most of the packet as it is: headers end before.
const HEADERS: usize = 160;

/// Makes packets.
pub struct Frames {
    garbage: Garbage,
    seeds: Vec<Vec<u8>>,
    networks: Vec<Network>,
    answered: Option<Flow>,
}

impl Frames {
    /// The packets of `seed`.
    pub fn new(seed: u64) -> Self {
        let found = fs::read_dir(corpus::folder()).expect("the corpus is committed");
        let mut paths: Vec<_> = found.map(|entry| entry.expect("the corpus can be read").path()).collect();
        paths.sort();
        let seeds = paths.iter().map(|path| fs::read(path).expect("the corpus can be read")).collect();
        Self { garbage: Garbage::new(seed), seeds, networks: networks(10), answered: None }
    }

    /// What the packets' chance is taken from: for whoever changes tables between them.
    pub fn garbage(&mut self) -> &mut Garbage {
        &mut self.garbage
    }

    /// Another packet. `answered`: what answers to a translated flow come as.
    pub fn make(&mut self, answered: Option<Flow>) -> Vec<u8> {
        self.answered = answered;
        let mut frame = self.sound();
        if !self.garbage.once_in(3) {
            for _ in 0..=self.garbage.below(5) {
                self.mutate(&mut frame);
            }
        }
        frame.truncate(LONGEST);
        // The kernel takes no shorter one.
        if frame.len() < 14 {
            frame.resize(14, 0);
        }
        if !self.garbage.once_in(50) {
            frame[0] &= !1;
        }
        frame
    }

    /// A packet before anything is changed.
    fn sound(&mut self) -> Vec<u8> {
        match self.garbage.below(20) {
            0 => self.garbage.one_of(&self.seeds).clone(),
            1 => {
                let length = self.garbage.below(200);
                self.garbage.bytes(length)
            }
            2 | 8 => self.fragment(),
            3..=6 => self.tunnel(),
            7 => self.control(),
            9 => self.answer(),
            _ => self.described().frame(),
        }
    }

    fn tags(&mut self) -> Vec<Tag> {
        match self.garbage.below(8) {
            0 => vec![CUSTOMER],
            1 => vec![PROVIDER, CUSTOMER],
            2 if self.garbage.once_in(4) => vec![PROVIDER, CUSTOMER, CUSTOMER],
            _ => Vec::new(),
        }
    }

    /// A packet to one of the listeners, or nearly.
    fn described(&mut self) -> Described {
        let vip: IpAddr = VIPS[self.garbage.below(2)].parse().expect("an address");
        let port = self.garbage.below(usize::from(PORTS.end - PORTS.start) + 1);
        let port = PORTS.start + u16::try_from(port).expect("few ports");
        let plain = Described::new(vip, port, *self.garbage.one_of(&Segment::ALL));
        let client = u8::try_from(self.garbage.below(CLIENTS)).expect("few clients");
        let source = match plain.source.0 {
            IpAddr::V4(address) => IpAddr::from(address.octets().map(|octet| octet ^ client)),
            IpAddr::V6(address) => IpAddr::from(address.octets().map(|octet| octet ^ client)),
        };
        let network = if self.garbage.once_in(4) {
            let of_family = |network: &&Network| matches!(network, Network::V4 { .. }) == vip.is_ipv4();
            let fitting: Vec<_> = self.networks.iter().filter(of_family).cloned().collect();
            self.garbage.one_of(&fitting).clone()
        } else {
            plain.network
        };
        Described {
            tags: self.tags(),
            network,
            traffic_class: self.garbage.byte(),
            source: (source, 51_000 + u16::from(client)),
            payload: if self.garbage.once_in(20) { self.garbage.below(600) } else { self.garbage.below(40) },
            padding: if self.garbage.once_in(4) { self.garbage.below(20) } else { 0 },
            ..plain
        }
    }

    /// A tunnel to the target host, from an edge or somebody else, around a packet, an error about an answer, or nonsense.
    fn tunnel(&mut self) -> Vec<u8> {
        let described = self.described();
        let inside = match self.garbage.below(10) {
            0 => {
                let length = self.garbage.below(100);
                self.garbage.bytes(length)
            }
            1 | 2 => self.message_about(&turned(&described)).ip(&described),
            _ => described.ip(),
        };
        let family = self.garbage.below(2);
        let sources = if self.garbage.once_in(6) { STRANGERS } else { EDGES };
        let protocol = if inside.first().is_some_and(|byte| byte >> 4 == 6) { IpNumber::IPV6 } else { IpNumber::IPV4 };
        let class = self.garbage.byte();
        let (protocol, payload) = if self.garbage.once_in(2) {
            (protocol, inside)
        } else {
            let hops = u8::try_from(self.garbage.below(3)).expect("two at most");
            let second = self.garbage.once_in(2).then(|| (EDGES[family].parse().expect("an address"), hops));
            (IpNumber::UDP, [gue(50_000, second, &inside), inside].concat())
        };
        let tags = self.tags();
        let mut bytes = frame(&tags, sources[family], HOST[family], class, protocol, &payload);
        let padding = if self.garbage.once_in(4) { self.garbage.below(20) } else { 0 };
        bytes.resize(bytes.len() + padding, 0x77);
        bytes
    }

    /// An echo request to a VIP, or an error about what a VIP has sent, which quotes some of it.
    fn control(&mut self) -> Vec<u8> {
        let described = self.described();
        if self.garbage.once_in(3) {
            let length = self.garbage.below(60);
            return Message::echo(false, self.garbage.bytes(length)).frame(&described);
        }
        self.message_about(&turned(&described)).frame(&described)
    }

    /// A target's answer to a translated flow, whole or a piece of it, or an error about what it got.
    fn answer(&mut self) -> Vec<u8> {
        let Some(flow) = self.answered else { return self.described().frame() };
        let source = (flow.source.into(), u16::from_be(flow.source_port));
        let destination = (flow.destination.into(), u16::from_be(flow.destination_port));
        let tcp = [Segment::SynAck, Segment::Data, Segment::Fin, Segment::Rst];
        let segment = if flow.protocol == 17 { Segment::Udp } else { *self.garbage.one_of(&tcp) };
        let plain = Described::new(destination.0, destination.1, segment);
        let answer = Described {
            source,
            tags: self.tags(),
            traffic_class: self.garbage.byte(),
            payload: self.garbage.below(40),
            padding: if self.garbage.once_in(4) { self.garbage.below(20) } else { 0 },
            ..plain
        };
        match self.garbage.below(6) {
            0 | 1 => return answer.frame(),
            2 | 3 => return self.piece_of(&answer),
            _ => {}
        }
        self.message_about(&turned(&answer)).frame(&answer)
    }

    /// An error, mostly, that quotes some of `quoted`.
    fn message_about(&mut self, quoted: &Described) -> Message {
        let least = quoted.header_length();
        let mut quoted = quoted.ip();
        let least = least.min(quoted.len());
        quoted.truncate(least + self.garbage.below(quoted.len() - least + 1));
        let kind = *self.garbage.one_of(&[1, 2, 3, 4, 11, 12]);
        let code =
            if self.garbage.once_in(2) { self.garbage.byte() } else { *self.garbage.one_of(&[0, 1, 2, 3, 4, 5]) };
        let rest = if self.garbage.once_in(2) {
            [0; 4]
        } else {
            [self.garbage.byte(), 0, self.garbage.byte(), self.garbage.byte()]
        };
        Message::of((kind, code), rest, quoted)
    }

    /// A fragment of a packet to a listener: of few datagrams, so that fragments meet their first one.
    fn fragment(&mut self) -> Vec<u8> {
        let described = self.described();
        self.piece_of(&described)
    }

    fn piece_of(&mut self, described: &Described) -> Vec<u8> {
        let offset = *self.garbage.one_of(&[0, 0, 8, 24, 1_480, 65_528]);
        let more = !self.garbage.once_in(3);
        let mut bytes = described.transport();
        if more && !self.garbage.once_in(8) {
            bytes.truncate(bytes.len() & !7);
        }
        let identification = u32::try_from(self.garbage.below(4)).expect("few datagrams");
        described.frame_around(&Piece { identification, offset, more }.ip(described, &bytes))
    }

    /// Changes something.
    fn mutate(&mut self, frame: &mut Vec<u8>) {
        let garbage = &mut self.garbage;
        let length = frame.len().max(1);
        let at = if garbage.once_in(8) { garbage.below(length) } else { garbage.below(length.min(HEADERS)) };
        match garbage.below(9) {
            0 | 1 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = garbage.byte();
                }
            }
            2 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << garbage.below(8);
                }
            }
            3 => frame.truncate(at),
            4 => self.length(frame),
            5 => {
                // Version and header length, protocol of IPv4 or next header of IPv6, fragment, EtherType: without tags.
                const FIELDS: [usize; 7] = [12, 13, 14, 20, 21, 23, 26];
                if let Some(byte) = frame.get_mut(*garbage.one_of(&FIELDS)) {
                    *byte = garbage.byte();
                }
            }
            6 => {
                let tag = [*garbage.one_of(&[0x81, 0x88]), *garbage.one_of(&[0x00, 0xa8]), garbage.byte(), 42];
                frame.splice(frame.len().min(12)..frame.len().min(12), tag);
            }
            7 => {
                let other = self.sound();
                frame.truncate(at);
                frame.extend(other.get(at..).unwrap_or_default());
            }
            _ => {
                let end = (at + garbage.below(24)).min(frame.len());
                if at < end && garbage.once_in(2) {
                    frame.drain(at..end);
                } else if at < end {
                    let again = frame[at..end].to_vec();
                    frame.splice(at..at, again);
                }
            }
        }
    }

    /// Changes a length field a little: IPv4's, IPv6's, UDP's behind either, TCP's.
    fn length(&mut self, frame: &mut [u8]) {
        const FIELDS: [usize; 6] = [16, 18, 38, 46, 58, 66];
        let at = *self.garbage.one_of(&FIELDS);
        if let Some(field) = frame.get_mut(at..at + 2) {
            let by = i16::try_from(self.garbage.below(65)).expect("a little") - 32;
            let length = u16::from_be_bytes([field[0], field[1]]).wrapping_add_signed(by);
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// The same packet the other way.
fn turned(packet: &Described) -> Described {
    Described { source: packet.destination, destination: packet.source, ..packet.clone() }
}
