//! Captures over the API: what became of packets, in the configuration's words, and a file that others can read.

use std::time::Duration;

use nlb_common::drop_reason::DropReason;
use nlb_common::way::WayOutcome;
use nlb_userspace::api::client::{CaptureBlocks, CaptureRequest, ClientError};
use nlb_userspace::capture::{Block, Fate, FilteredTarget, Told};
use nlb_userspace::dataplane::{CaptureEvent, CapturedFrame, CapturedPacket};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block as Raw, PcapNgReader};

use crate::agent::Agent;
use crate::sample;

pub(crate) const CLIENT: [u8; 4] = [198, 51, 100, 7];
pub(crate) const VIP: [u8; 4] = [192, 0, 2, 10];
const TARGET: [u8; 4] = [10, 0, 0, 1];

/// An IPv4 packet without its checksums, which nobody here looks at.
pub(crate) fn ip(protocol: u8, source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    packet.extend(source.into_iter().chain(destination));
    packet.extend(payload);
    packet
}

pub(crate) fn tcp(source: u16, destination: u16) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    segment
}

pub(crate) fn frame(mac: u8, ip: &[u8]) -> CapturedFrame {
    let bytes = [&[2, 0, 0, 0, 0, mac, 2, 0, 0, 0, 0, 9, 8, 0], ip].concat();
    CapturedFrame { length: u32::try_from(bytes.len()).unwrap(), bytes }
}

fn packet(action: u32, before: CapturedFrame, after: Option<CapturedFrame>) -> CapturedPacket {
    CapturedPacket {
        received: Duration::new(1_800_000_000, 5),
        decided: Duration::new(1_800_000_000, 805),
        interface: 2,
        action,
        reason: None,
        outcome: None,
        before,
        after,
    }
}

/// A packet to a port of the VIP, in a tunnel to the first target.
fn sent(port: u16) -> CapturedPacket {
    let inner = ip(6, CLIENT, VIP, &tcp(40_000, port));
    packet(3, frame(1, &inner), Some(frame(2, &ip(4, [10, 0, 0, 254], TARGET, &inner))))
}

#[test]
fn a_packets_fate_is_told_in_the_configurations_words() {
    let plain = ip(6, CLIENT, VIP, &tcp(40_000, 80));
    let turned = ip(6, VIP, CLIENT, &tcp(80, 40_000));
    let stray = ip(6, CLIENT, VIP, &tcp(40_000, 81));
    let echo = ip(1, CLIENT, VIP, &[8, 0, 0, 0]);
    let web = "listener=web-http";
    let cases = [
        (sent(80), format!("verdict=sent {web} target=10.0.0.1:80 group=web took=800ns")),
        (
            CapturedPacket { reason: Some(DropReason::NoTarget), ..packet(1, frame(1, &plain), None) },
            format!("verdict=dropped reason=no_target why=\"the target group has no target\" {web} took=800ns"),
        ),
        (
            packet(2, frame(1, &stray), None),
            "verdict=passed why=\"no listener has this address, protocol and port\" took=800ns".to_owned(),
        ),
        (
            packet(2, frame(1, &echo), None),
            "verdict=passed why=\"a protocol that is not balanced\" took=800ns".to_owned(),
        ),
        (
            CapturedPacket { outcome: Some(WayOutcome::Echo), ..packet(3, frame(1, &echo), Some(frame(9, &echo))) },
            "verdict=answered answer=echo took=800ns".to_owned(),
        ),
        (
            packet(3, frame(1, &plain), Some(frame(9, &turned))),
            format!("verdict=answered answer=reset {web} took=800ns"),
        ),
        (packet(0, frame(1, &plain), None), format!("verdict=aborted {web} took=800ns")),
    ];
    let snapshot = sample::snapshot();
    for (packet, expected) in cases {
        assert_eq!(Fate::of(&snapshot, &packet).to_string(), expected);
    }
}

#[test]
fn a_frame_of_which_little_is_kept_tells_as_much() {
    let mut packet = sent(80);
    let whole = Fate::of(&sample::snapshot(), &packet).to_string();
    packet.before.bytes.truncate(14 + 20 + 20);
    packet.after.as_mut().unwrap().bytes.truncate(14 + 20);
    assert_eq!(Fate::of(&sample::snapshot(), &packet).to_string(), whole);
}

#[test]
fn a_packet_is_about_the_target_that_it_goes_to() {
    let snapshot = sample::snapshot();
    let packet = sent(80);
    let fate = Fate::of(&snapshot, &packet);
    for (address, port, is) in [
        ("10.0.0.1", None, true),
        ("10.0.0.1", Some(80), true),
        ("10.0.0.1", Some(81), false),
        ("10.0.0.2", None, false),
    ] {
        let named = FilteredTarget { address: address.parse().unwrap(), port };
        assert_eq!(fate.is_about(named), is, "{named:?}");
    }
}

async fn all(blocks: &mut CaptureBlocks) -> Vec<Block> {
    let mut found = Vec::new();
    while let Some(more) = blocks.next().await.unwrap() {
        found.extend(more);
    }
    found
}

fn request(filter: &str) -> CaptureRequest {
    CaptureRequest { filter: filter.to_owned(), sample: 1, snaplen: 256, count: Some(2), duration_ms: None }
}

#[tokio::test]
async fn a_capture_is_a_pcapng_file_with_a_comment_on_each_packet() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let events = [CaptureEvent::Packet(sent(80)), CaptureEvent::Lost(7), CaptureEvent::Packet(sent(80))];
    agent.packets.lock().unwrap().extend(events);
    let mut blocks = client.capture(&request("listener web-http and target 10.0.0.1:80")).await.unwrap();
    let blocks = all(&mut blocks).await;
    let told: Vec<_> = blocks.iter().map(|block| block.told).filter(|told| *told != Told::Other).collect();
    assert_eq!(told, [Told::Packet, Told::Lost(7), Told::Packet]);

    let order = agent.captures.lock().unwrap()[0];
    assert_eq!((order.keep, order.chance, order.pattern.protocol), (256, u32::MAX, 6));
    assert_eq!(order.pattern.destination_ports.first, 80);

    let file: Vec<u8> = blocks.into_iter().flat_map(|block| block.bytes).collect();
    let mut reader = PcapNgReader::new(&file[..]).unwrap();
    let mut found = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Raw::EnhancedPacket(packet) = block.unwrap() {
            let comment = packet.options.iter().find_map(|option| match option {
                EnhancedPacketOption::Comment(comment) => Some(comment.to_string()),
                _ => None,
            });
            let flags = packet.options.iter().any(|option| {
                matches!(option, EnhancedPacketOption::Flags(direction) if *direction == packet.interface_id + 1)
            });
            assert!(flags && comment.unwrap().contains("target=10.0.0.1:80"));
            found.push((packet.interface_id, packet.timestamp, packet.data.to_vec()));
        }
    }
    let CapturedPacket { received, decided, before, after, .. } = sent(80);
    let of_one = [(0, received, before.bytes), (1, decided, after.unwrap().bytes)];
    assert_eq!(found, [of_one.clone(), of_one].concat());
}

#[tokio::test]
async fn packets_for_other_targets_are_left_out_and_count_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let elsewhere = packet(2, frame(1, &ip(6, CLIENT, VIP, &tcp(1, 81))), None);
    let events = [elsewhere.clone(), sent(80), elsewhere, sent(80)].map(CaptureEvent::Packet);
    agent.packets.lock().unwrap().extend(events);
    let mut blocks = client.capture(&request("target 10.0.0.1")).await.unwrap();
    let packets = all(&mut blocks).await.iter().filter(|block| block.told == Told::Packet).count();
    assert_eq!(packets, 2);
}

#[tokio::test]
async fn a_capture_ends_in_time_is_alone_and_ends_with_its_reader() {
    let directory = tempfile::tempdir().unwrap();
    let agent = Agent::start();
    let (client, _) = agent.serve(directory.path()).await;
    let forever = CaptureRequest { count: None, ..request("") };
    let mut first = client.capture(&forever).await.unwrap();
    assert!(first.next().await.unwrap().is_some(), "the head of the file comes at once");
    match client.capture(&forever).await {
        Err(ClientError::Refused { status, .. }) => assert_eq!(status, 409),
        other => panic!("{:?}", other.err()),
    }
    drop(first);
    // The server notices a closed connection when it pleases, so this asks until it has.
    let short = CaptureRequest { duration_ms: Some(20), ..forever };
    let again = async {
        loop {
            match client.capture(&short).await {
                Ok(mut blocks) => break all(&mut blocks).await.len(),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let blocks = tokio::time::timeout(Duration::from_secs(30), again).await.expect("the first ended with its reader");
    assert_eq!(blocks, 3, "a section and two interfaces");
}
