//! The seed corpus of the packet fuzzer: one packet of each kind that the parser tells apart.
//!
//! Committed below `tests/fuzz/corpus/packet`; a test holds the files against this list, and writes them anew when
//! `NLB_WRITE_CORPUS` is set.

use std::path::PathBuf;

use super::described::{Described, Extension, Kind, Network, Segment, TAGGINGS};
use super::reference::Tunnel;
use super::world::{VIPS, port, target};

/// Where the files are.
pub fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", "packet"].iter().collect()
}

/// Name and content of each file.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (tags, name) in TAGGINGS.into_iter().zip(["untagged", "tagged", "qinq"]) {
        for vip in VIPS {
            let family = if vip.contains(':') { "v6" } else { "v4" };
            for segment in [Segment::Syn, Segment::Data, Segment::Udp] {
                let packet = Described::new(vip.parse().expect("an address"), port(1), segment);
                let packet = Described { tags: tags.to_vec(), payload: 3, ..packet };
                files.push((format!("{name}-{family}-{segment:?}").to_lowercase(), packet.frame()));
            }
        }
    }
    let [v4, v6] = VIPS.map(|vip| Described::new(vip.parse().expect("an address"), port(1), Segment::Syn));
    for options in [4, 40] {
        let packet = Described { network: Network::V4 { options }, ..v4.clone() };
        files.push((format!("v4-options-{options}"), packet.frame()));
    }
    for length in [1, 3, 8, 9] {
        let chain = (0..length).map(|i| Extension { kind: Kind::ALL[i % 3], units: u8::from(i == 1) });
        let packet = Described { network: Network::V6(chain.collect()), ..v6.clone() };
        files.push((format!("v6-extensions-{length}"), packet.frame()));
    }
    for (index, outer) in [(1, "v4"), (3, "v6")] {
        for (packet, inner) in [(&v4, "v4"), (&v6, "v6")] {
            let tunnel = Tunnel { target: &target(index), hash: 0, ingress: 1, second: None };
            files.push((format!("tunnel-{inner}-in-{outer}"), tunnel.frame(&[], &packet.ip(), &[])));
        }
    }
    files
}
