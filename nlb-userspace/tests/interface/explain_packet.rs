//! Packets explained: their own headers stage by stage, then what is told of their flow.

use nlb_common::slot::{Slot, Tick};
use nlb_userspace::capture::{FileError, FilePacket, packets};
use nlb_userspace::explain::{Explanation, FlowQuery, Frame, Verdict, explain, explain_packet};
use nlb_userspace::model::{Protocol, Quic};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};

use crate::capture::{CLIENT, VIP, frame, ip, tcp};
use crate::sample;

fn told(bytes: Vec<u8>) -> Explanation {
    let length = bytes.len();
    explain_packet(&sample::snapshot(), &Frame::new(bytes, length), None)
}

/// A packet of the flow that [`its_flow`] explains, with so many bytes behind its header.
fn packet(payload: usize) -> Vec<u8> {
    frame(1, &ip(6, CLIENT, VIP, &[tcp(40_000, 80), vec![0; payload]].concat())).bytes
}

fn its_flow() -> Explanation {
    let [client, vip] = ["198.51.100.7:40000", "192.0.2.10:80"].map(|socket| socket.parse().unwrap());
    explain(&sample::snapshot(), &FlowQuery::new(client, vip, Protocol::Tcp).unwrap(), None)
}

#[test]
fn a_packet_is_followed_from_its_first_header_on_and_then_like_its_flow() {
    let (of_packet, of_flow) = (told(packet(0)), its_flow());
    let own: Vec<_> = of_packet.steps[..3].iter().map(|step| (step.stage.as_str(), step.text.as_str())).collect();
    let expected = [
        ("link", "54 bytes from 02:00:00:00:00:09 to 02:00:00:00:00:01, no VLAN tag"),
        ("network", "IPv4 from 198.51.100.7 to 192.0.2.10, protocol 6, 40 bytes"),
        ("transport", "from port 40000 to 80; the segment opens a connection"),
    ];
    assert_eq!(own, expected);
    assert_eq!(of_packet.steps[3..], of_flow.steps);
    assert_eq!((of_packet.verdict, of_packet.target), (of_flow.verdict, of_flow.target));
}

#[test]
fn of_a_packet_that_was_cut_off_as_much_is_told() {
    let whole = packet(500);
    let cut = Frame::new(whole[..54].to_vec(), whole.len());
    assert_eq!(explain_packet(&sample::snapshot(), &cut, None), told(whole));
}

#[test]
fn a_packet_that_ends_on_its_way_says_where_and_why() {
    let mut broken = packet(0);
    broken[14] = 0x41;
    let mut arp = packet(0);
    arp[13] = 6;
    let mut short = packet(0);
    short[46] = 0x10;
    let mut fragment = packet(0);
    fragment[20] = 0x20;
    let mut fragment_elsewhere = fragment.clone();
    fragment_elsewhere[30..34].copy_from_slice(&[198, 51, 100, 1]);
    let to_group = [&[1][..], &packet(0)[1..]].concat();
    let cases = [
        (broken, "network", Verdict::Dropped, "dropped as `bad_network`"),
        (arp, "network", Verdict::Passed, "neither IPv4 nor IPv6"),
        (packet(0)[..12].to_vec(), "link", Verdict::Dropped, "dropped as `truncated_link`"),
        (to_group, "link", Verdict::Passed, "a multicast or broadcast address"),
        (fragment, "network", Verdict::Forwarded, "where the first fragment of its datagram goes"),
        (fragment_elsewhere, "network", Verdict::Passed, "a fragment"),
        (short, "segment", Verdict::Dropped, "dropped as `bad_transport`"),
        (
            frame(1, &ip(47, CLIENT, VIP, &[0; 8])).bytes,
            "transport",
            Verdict::Passed,
            "a protocol that is not balanced",
        ),
        (packet(2_000), "size", Verdict::Refused, "its 2040 bytes don't fit the way to its target"),
        (frame(1, &ip(1, CLIENT, VIP, &[8, 0, 0, 0, 0, 0, 0, 0])).bytes, "way", Verdict::Answered, "the echo request"),
    ];
    for (bytes, stage, verdict, summary) in cases {
        let told = told(bytes);
        assert_eq!((told.steps.last().unwrap().stage.as_str(), told.verdict), (stage, verdict), "{told:?}");
        assert!(told.summary.contains(summary), "{summary}: {told:?}");
    }
}

#[test]
fn an_error_about_a_flow_goes_to_the_flows_target() {
    // The target's answer, which did not arrive, is quoted.
    let quoted = ip(6, VIP, CLIENT, &tcp(80, 40_000)[..8]);
    let error = ip(1, [203, 0, 113, 1], VIP, &[&[3, 4, 0, 0, 0, 0, 5, 0][..], &quoted].concat());
    let (told, of_flow) = (told(frame(1, &error).bytes), its_flow());
    assert_eq!((told.verdict, &told.target), (Verdict::Forwarded, &of_flow.target), "{told:?}");
    let way = told.steps.iter().find(|step| step.stage == "way").unwrap();
    assert!(way.text.contains("tcp from 198.51.100.7:40000 to 192.0.2.10:80"), "{way:?}");
}

#[test]
fn while_its_slot_is_in_transition_what_opens_a_connection_and_what_goes_on_differ() {
    let mut snapshot = sample::snapshot();
    snapshot.groups[0].targets[1].serves = true;
    snapshot.groups[0].ring = vec![Slot::open(1, 2, Tick::at(5)); 256].into();
    let of = |flags: u8| {
        let mut bytes = packet(0);
        bytes[47] = flags;
        let length = bytes.len();
        explain_packet(&snapshot, &Frame::new(bytes, length), None).target
    };
    assert_eq!(of(0x02).as_deref(), Some("10.0.0.1:80"), "a SYN goes to the current target");
    assert_eq!(of(0x10).as_deref(), Some("10.0.0.2:80"), "data goes to the previous one");
}

#[test]
fn a_packet_of_quic_goes_where_its_own_connection_id_says() {
    let mut snapshot = sample::snapshot();
    let listener = snapshot.listeners.iter_mut().find(|state| state.listener.protocol == Protocol::Udp).unwrap();
    listener.listener.quic = Some(Quic { server_id_length: 2, config_rotation: 1 });
    snapshot.groups[1].targets = snapshot.groups[0].targets.clone();
    snapshot.groups[1].ring = vec![Slot::open(1, 3, Tick::at(1)); 256].into();
    for (target, id) in snapshot.groups[1].targets.iter_mut().zip(["0001", "0002", "0003"]) {
        target.quic_server_id = Some(id.parse().unwrap());
    }
    let short = |id: [u8; 3]| [&[0x40][..], &id, &[7; 20]].concat();
    let long = |id: [u8; 3]| [&[0xc0, 0, 0, 0, 1, 8][..], &id, &[7; 20]].concat();
    let by_hash = "10.0.0.1:80";
    for (payload, target, told) in [
        (short([0x3f, 0, 3]), "[2001:db8:1::3]:80", "its server id is that of [2001:db8:1::3]:80"),
        (long([0x20, 0, 3]), "[2001:db8:1::3]:80", "its server id is that of [2001:db8:1::3]:80"),
        (short([0x20, 0, 2]), by_hash, "10.0.0.2:80, which serves no more"),
        (short([0x00, 0, 3]), by_hash, "no target has the rotation bits and the server id"),
        (long([0x20, 0, 9]), by_hash, "a long header, whose connection id names no target"),
        (long([0xe0, 0, 3]), by_hash, "a connection id of its own choice"),
        (short([0xe0, 0, 3]), by_hash, "a server without configuration"),
        (short([0x20, 0, 3])[..16].to_vec(), by_hash, "too short"),
    ] {
        let length = u8::try_from(8 + payload.len()).unwrap();
        let datagram = [&[0x9c, 0x40, 0, 53, 0, length, 0, 0][..], &payload].concat();
        let bytes = frame(1, &ip(17, CLIENT, VIP, &datagram)).bytes;
        let length = bytes.len();
        let explained = explain_packet(&snapshot, &Frame::new(bytes, length), None);
        assert_eq!(explained.target.as_deref(), Some(target), "{told}: {explained:?}");
        let step = explained.steps.iter().find(|step| step.stage == "connection").unwrap();
        assert!(step.text.contains(told), "{told}: {step:?}");
    }
}

fn read(file: &[u8]) -> Result<Vec<FilePacket>, FileError> {
    let mut found = Vec::new();
    packets(file, |packet| {
        found.push(packet);
        true
    })?;
    Ok(found)
}

fn pcap(datalink: DataLink) -> Vec<u8> {
    let header = PcapHeader { datalink, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for length in [60, 54] {
        let bytes = &packet(0)[..54.min(length)];
        let length = u32::try_from(length).unwrap();
        writer.write_packet(&PcapPacket::new(std::time::Duration::ZERO, length, bytes)).unwrap();
    }
    writer.into_writer()
}

#[test]
fn a_files_packets_are_read_and_what_is_none_is_refused() {
    let file = pcap(DataLink::ETHERNET);
    let found = read(&file).unwrap();
    let lengths: Vec<_> = found.iter().map(|packet| (packet.number, packet.bytes.len(), packet.length)).collect();
    assert_eq!(lengths, [(1, 54, 60), (2, 54, 54)]);
    for (file, says) in [
        (&b"no capture at all, but long enough"[..], "neither a pcap nor a pcapng file"),
        (b"", "neither a pcap nor a pcapng file"),
        (&file[..file.len() - 1], "it is broken behind packet 1"),
        (&pcap(DataLink::LINUX_SLL), "packet 1 was captured as LINUX_SLL, without an Ethernet header"),
    ] {
        let error = read(file).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}
