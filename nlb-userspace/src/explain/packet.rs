//! A packet: what its headers say, stage by stage, before its flow's way is followed.
//!
//! The stages are the packet path's own code, over the packet's bytes.

use std::net::IpAddr;

use nlb_common::flow::Pin;
use nlb_common::hash::Flow;
use nlb_common::icmp::{Control, quote};
use nlb_common::packet::fragment::Fragmented;
use nlb_common::packet::link::Link;
use nlb_common::packet::network::{Network, V4, V6};
use nlb_common::packet::transport::{Segment, Transport};
use nlb_common::packet::{Door as _, NotOurs, Packet, Stop, link, transport};
use nlb_common::wire::{EtherType, Ethernet, Icmp};

use super::{End, Explanation, FlowQuery, Story, Verdict};
use crate::api::dto::mac;
use crate::control::snapshot::Snapshot;
use crate::model::Protocol;

/// A frame as it came by an Ethernet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Vec<u8>);

/// What the decision about a packet depends on besides its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts<'p> {
    /// The frame that it came in.
    pub(super) frame: &'p [u8],
    /// Where its transport header stands in the frame.
    pub(super) payload: usize,
    /// Length of the IP packet.
    pub(super) length: u32,
    /// What kind of segment it carries.
    pub(super) segment: Segment,
}

/// Whose flow is followed.
enum Followed<'p> {
    /// The packet's own.
    Own(Flow, Facts<'p>),
    /// The flow that the packet, an ICMP error, is about.
    Quoted(Flow),
    /// Nobody's: the edge answers an echo request.
    Echo,
}

impl Frame {
    /// The frame of that length whose first bytes are `kept`. What was not kept is taken for zeros: headers are what counts.
    pub fn new(mut kept: Vec<u8>, length: usize) -> Self {
        kept.resize(length, 0);
        Self(kept)
    }

    /// The flow that the packet is of, or about.
    pub fn flow(&self, snapshot: &Snapshot) -> Option<Flow> {
        match read(&mut Story::new(), snapshot, &self.0).ok()? {
            Followed::Own(flow, _) | Followed::Quoted(flow) => Some(flow),
            Followed::Echo => None,
        }
    }
}

/// Follows `frame` through `snapshot`; `pin` is what is remembered of its [`flow`](Frame::flow).
pub fn explain_packet(snapshot: &Snapshot, frame: &Frame, pin: Option<&Pin>) -> Explanation {
    let mut story = Story::new();
    let end = read(&mut story, snapshot, &frame.0).and_then(|followed| match followed {
        Followed::Own(flow, facts) => {
            story.packet = Some(facts);
            story.tell(snapshot, &query(&flow)?, pin)
        }
        Followed::Quoted(flow) => {
            story.step("way", format!("`icmp`: an error about {}, which takes that flow's way", named(&flow)));
            story.tell(snapshot, &query(&flow)?, pin)
        }
        Followed::Echo => {
            story.step("way", "`icmp`: an echo request to a VIP".to_owned());
            Err((Verdict::Answered, "the edge answers the echo request itself".to_owned()))
        }
    });
    story.end(end)
}

fn read<'p>(story: &mut Story<'_>, snapshot: &Snapshot, frame: &'p [u8]) -> Result<Followed<'p>, End> {
    let link = link::read(frame).map_err(|stop| story.stop("link", stop))?;
    if let Some(Ethernet { source, destination, .. }) = frame.header(0) {
        let tags = match link.tags() {
            0 => "no VLAN tag".to_owned(),
            1 => "a VLAN tag".to_owned(),
            tags => format!("{tags} VLAN tags"),
        };
        story.step("link", format!("{} bytes from {} to {}, {tags}", frame.len(), mac(*source), mac(*destination)));
    }
    match link.ether_type {
        EtherType::IPV4 => family::<V4>(story, snapshot, frame, &link, "IPv4"),
        EtherType::IPV6 => family::<V6>(story, snapshot, frame, &link, "IPv6"),
        _ => Err(story.stop("network", Stop::Pass(NotOurs::EtherType))),
    }
}

fn family<'p, F: Control + Fragmented>(
    story: &mut Story<'_>,
    snapshot: &Snapshot,
    frame: &'p [u8],
    link: &Link,
    name: &str,
) -> Result<Followed<'p>, End> {
    let network = match F::read(frame, link.length) {
        Err(Stop::Pass(NotOurs::Fragment)) if is_part_to_vip::<F>(snapshot, frame, link) => {
            story.step("network", "a fragment of a datagram to a VIP".to_owned());
            let way = "goes where the first fragment of its datagram goes, which its ports decide";
            return Err((Verdict::Forwarded, way.to_owned()));
        }
        read => read.map_err(|stop| story.stop("network", stop))?,
    };
    let [source, destination] = [network.source, network.destination].map(IpAddr::from);
    let Network { protocol, length, .. } = network;
    story.step("network", format!("{name} from {source} to {destination}, protocol {protocol}, {length} bytes"));
    let transport = match transport::read(frame, &network) {
        Ok(transport) => transport,
        Err(Stop::Pass(NotOurs::Protocol)) if protocol == F::CONTROL => {
            return control::<F>(story, snapshot, frame, &network);
        }
        Err(stop) => return Err(story.stop("transport", stop)),
    };
    let Transport { source_port, destination_port, segment } = transport;
    let says = match segment {
        Segment::Opens => "opens a connection",
        Segment::Continues => "opens no connection",
        Segment::Truncated => "ends within its header",
        Segment::Bad => "has a length in its header that can't be",
    };
    let [from, to] = [source_port, destination_port].map(u16::from_be);
    story.step("transport", format!("from port {from} to {to}; the segment {says}"));
    let facts = Facts { frame, payload: network.payload, length: u32::try_from(length).unwrap_or(u32::MAX), segment };
    Ok(Followed::Own(Packet { link: *link, network, transport }.flow(), facts))
}

fn is_part_to_vip<F: Fragmented>(snapshot: &Snapshot, frame: &[u8], link: &Link) -> bool {
    F::read_part(frame, link.length).is_ok_and(|part| is_vip(snapshot, part.destination.into()))
}

fn is_vip(snapshot: &Snapshot, address: IpAddr) -> bool {
    snapshot.listeners.iter().any(|state| state.listener.vip() == Some(address))
}

/// ICMP: to a VIP it is the edge's matter.
fn control<F: Control>(
    story: &mut Story<'_>,
    snapshot: &Snapshot,
    frame: &[u8],
    network: &Network,
) -> Result<Followed<'static>, End> {
    let vip = IpAddr::from(network.destination);
    let kind = frame.header::<Icmp>(network.payload).map(|message| message.kind);
    let is_vip = is_vip(snapshot, vip);
    match kind {
        Some(kind) if is_vip && kind == F::ECHO_REQUEST => Ok(Followed::Echo),
        Some(_) if is_vip => match quote::flow::<F, _>(frame, network) {
            Some(flow) => Ok(Followed::Quoted(flow)),
            None => Err(story.stop("transport", Stop::Pass(NotOurs::Protocol))),
        },
        _ => Err(story.stop("transport", Stop::Pass(NotOurs::Protocol))),
    }
}

fn query(flow: &Flow) -> Result<FlowQuery, End> {
    FlowQuery::of(flow).ok_or_else(|| (Verdict::Passed, NotOurs::Protocol.text().to_owned()))
}

fn named(flow: &Flow) -> String {
    let protocol =
        Protocol::of_number(flow.protocol).map_or_else(|| flow.protocol.to_string(), |known| known.to_string());
    let [source, destination] = [flow.source, flow.destination].map(IpAddr::from);
    let [from, to] = [flow.source_port, flow.destination_port].map(u16::from_be);
    format!("{protocol} from {} to {}", crate::model::at(source, from), crate::model::at(destination, to))
}

impl Story<'_> {
    /// The packet's way ends at that stage.
    fn stop(&mut self, stage: &str, stop: Stop) -> End {
        match stop {
            Stop::Pass(why) => {
                self.step(stage, why.text().to_owned());
                (Verdict::Passed, format!("{}: the packet passes to this host's own stack", why.text()))
            }
            Stop::Drop(reason) => {
                self.step(stage, reason.text().to_owned());
                (Verdict::Dropped, format!("dropped as `{}`: {}", reason.name(), reason.text()))
            }
        }
    }

    /// A broken segment is dropped once a listener claims it.
    pub(super) fn segment(&mut self) -> Result<(), End> {
        match self.packet.map(|packet| packet.segment.opens()) {
            Some(Err(reason)) => Err(self.stop("segment", Stop::Drop(reason))),
            _ => Ok(()),
        }
    }
}
