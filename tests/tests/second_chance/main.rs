//! The second chance with real connections: a packet that comes to the wrong one of two targets reaches the right one.
//!
//! Needs root, as all tests do that make network namespaces.

mod scene;

use std::io::Read as _;
use std::net::IpAddr;

use etherparse::PacketBuilder;

use scene::{Client, Scene, VIPS};

/// Every family of VIP within every family of tunnel.
fn families() -> impl Iterator<Item = (IpAddr, bool)> {
    VIPS.into_iter().flat_map(|vip| [true, false].map(|v4| (vip.parse().unwrap(), v4)))
}

#[test]
fn a_connection_goes_on_when_its_packets_come_to_the_other_target() {
    let scene = Scene::new();
    for (vip, outer_v4) in families() {
        scene.steer(2, outer_v4);
        let mut client = scene.connect(vip);
        assert_eq!(client.ask("one"), "t2 one");
        let before = scene.counted(1, "second_chance");
        scene.steer(1, outer_v4);
        for number in 0..20 {
            assert_eq!(client.ask(&number.to_string()), format!("t2 {number}"), "{vip}");
        }
        assert!(scene.counted(1, "second_chance") >= before + 20);
        scene.steer(2, outer_v4);
        assert_eq!(client.ask("last"), "t2 last");
        assert_eq!(scene.counted(1, "second_chance_lost") + scene.counted(2, "second_chance"), 0, "{vip}");
        // What its end leads to is the first target's, and no connection's by then.
        scene.steer(1, outer_v4);
        drop(client);
        scene.until_quiet();
    }
    // Nobody told the first target of the second: it began not to know its MAC address.
    assert!(scene.counted(1, "second_chance_waits") > 0);
    assert_eq!(scene.counted(1, "second_chance_lost") + scene.counted(2, "second_chance"), 0);
}

#[test]
fn a_connection_that_begins_stays_where_it_was_sent_until_it_has_ended() {
    let scene = Scene::new();
    for (vip, outer_v4) in families() {
        // With and without a socket for what is half open.
        for cookies in ["1", "2"] {
            scene.target(1).sysctl("ipv4/tcp_syncookies", cookies);
            scene.steer(1, outer_v4);
            let mut client = scene.connect(vip);
            for number in 0..5 {
                assert_eq!(client.ask(&number.to_string()), format!("t1 {number}"), "{vip}, cookies {cookies}");
            }
            // The server closes: its socket is one that waits for the end when the client's FIN comes.
            assert_eq!(client.ask("bye"), "t1 bye");
            let Client { mut stream, .. } = client;
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
            drop(stream);
        }
    }
    // Whatever came, and what still comes, was t1's own.
    scene.until_quiet();
    assert_eq!(scene.counted(1, "second_chance") + scene.counted(1, "second_chance_waits"), 0);
    assert_eq!(scene.counted(2, "decapsulated"), 0);
}

#[test]
fn a_packet_of_no_connection_is_sent_on_once_and_no_further() {
    let scene = Scene::new();
    for (vip, outer_v4) in families() {
        scene.steer(1, outer_v4);
        scene.acquaint(outer_v4);
        let stray = match (vip, scene.client(vip)) {
            (IpAddr::V4(vip), IpAddr::V4(client)) => PacketBuilder::ipv4(client.octets(), vip.octets(), 64),
            (IpAddr::V6(vip), IpAddr::V6(client)) => PacketBuilder::ipv6(client.octets(), vip.octets(), 64),
            mixed => panic!("{mixed:?}"),
        };
        let mut bytes = Vec::new();
        stray.tcp(9, 80, 1, 1_000).ack(7).write(&mut bytes, b"stray").unwrap();
        let counted = || {
            let of = |target| (scene.counted(target, "second_chance"), scene.counted(target, "decapsulated"));
            (of(1), of(2))
        };
        let ((on1, taken1), (on2, taken2)) = counted();
        scene.send(&bytes);
        scene.until("the stray packet has come to rest", || counted() == ((on1 + 1, taken1), (on2, taken2 + 1)));
        // One that has used up its hops stays where it comes.
        scene.send_with_hops(&bytes, 0);
        scene.until("it stays", || counted() == ((on1 + 1, taken1 + 1), (on2, taken2 + 1)));
    }
}
