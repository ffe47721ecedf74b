//! Any bytes at all, read as a packet: no panic, no offset outside the frame, and the same answer again.
//!
//! Run with `cargo fuzz run --sanitizer none packet -- -runs=20000` in `tests`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nlb_common::packet::Packet;
use nlb_common::packet::link::Link;
use nlb_common::tables::Target;
use nlb_common::tunnel::{Carried, Inner, Outer};
use nlb_common::wire::{Ipv4, Ipv6, Ports};

fuzz_target!(|frame: &[u8]| {
    // The target host's side reads what is inside a tunnel: any bytes, at any place, with any room.
    for (offset, class) in [(0, 0), (14, 3), (34, 1), (frame.len(), 2)] {
        let room = frame.len().saturating_sub(offset);
        if let Ok(Some(header)) = Ipv4::leave_tunnel(frame, offset, room, class) {
            assert!(header.length().is_some_and(|length| length <= room));
        }
        if let Ok(Some(header)) = Ipv6::leave_tunnel(frame, offset, room, class) {
            assert!(header.length().is_some_and(|length| length <= room));
        }
    }

    let Ok(packet) = Packet::parse(frame) else { return };
    let Packet { link, network, transport } = packet;

    assert!((Link::UNTAGGED..=Link::TAGGED_TWICE).contains(&link.length));
    let end = link.length + network.length;
    assert!(end <= frame.len());
    assert!(network.payload >= link.length + Ipv4::LENGTH);
    assert!(network.payload_length >= size_of::<Ports>());
    assert_eq!(network.payload + network.payload_length, end);

    // The flow is what stands in the frame.
    let flow = packet.flow();
    assert_eq!(flow.source_port.to_ne_bytes(), frame[network.payload..][..2]);
    assert_eq!(flow.destination_port.to_ne_bytes(), frame[network.payload + 2..][..2]);
    assert_eq!(flow.source_port, transport.source_port);

    // What pads the frame changes nothing, whether it is cut off or grows.
    assert_eq!(Packet::parse(&frame[..end]), Ok(packet));
    assert_eq!(Packet::parse(&[frame, &[0; 8]].concat()[..]), Ok(packet));
    // A packet that is cut off is never read as another one.
    assert!(Packet::parse(&frame[..end - 1]).is_err());

    let carried = Carried { protocol: 4, length: network.length, traffic_class: network.traffic_class };
    if let Some(outer) = <Ipv4 as Outer>::new(carried, &Target::default(), 0) {
        assert_eq!(usize::from(outer.total_length()), Ipv4::LENGTH + network.length);
    }
});
