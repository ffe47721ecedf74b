//! What a lane is made of: generator, edge and sink, each a network namespace of its own.
//!
//! ```text
//!  generator: gen ═ card ─▶ wire ═ inN :edge: out ═ sink :sink
//! ```

use anyhow::Result;
use nlb_tests::segment::Host;

use super::counters;
use crate::balancer::EDGE_V4;
use crate::leftovers;

/// Where pktgen sends.
pub(super) const GENERATOR: &str = "gen";
/// Where a program sends on what pktgen sent, and by what.
pub(super) const CARD: &str = "card";
pub(super) const WIRE: &str = "wire";
/// The edge's way out, and its end.
pub(super) const OUT: &str = "out";
pub(super) const SINK: &str = "sink";
/// The edge's MAC address where packets come in.
pub(super) const IN_MAC: &str = "02:00:00:00:80:01";
/// Who all targets are behind. Nobody has that MAC address: the sink's kernel throws away what is for another machine before it
/// does anything else with it.
pub(super) const GATEWAY: &str = "10.0.255.2";
const GATEWAY_MAC: &str = "02:aa:00:00:00:11";
/// Room for the longest packet and its outer header.
const MTU: u32 = 2_000;

/// The namespaces and what connects them.
pub(super) struct Cables {
    pub(super) generator: Host,
    pub(super) edge: Host,
    pub(super) sink: Host,
    /// The edge's interface where packets come in.
    pub(super) edge_in: String,
}

impl Cables {
    /// Lays those of lane number `number` of this process.
    pub(super) fn lay(number: usize) -> Self {
        let host = |of: &str| Host::new(leftovers::name(&format!("{number}-{of}")));
        let (generator, edge, sink) = (host("generator"), host("edge"), host("sink"));
        for host in [&generator, &edge, &sink] {
            for scope in ["all", "default"] {
                // Nothing but the generator's packets is to travel.
                host.sysctl(&format!("ipv6/conf/{scope}/disable_ipv6"), "1");
            }
            host.ip("link set lo up");
        }
        // The kernel's threads bear the names of the interfaces that they poll, as far as fifteen letters go.
        let edge_in = format!("in{number}");
        generator.ip(&format!("link add {GENERATOR} mtu {MTU} type veth peer name {CARD} mtu {MTU}"));
        edge.ip(&format!(
            "link add {edge_in} address {IN_MAC} mtu {MTU} type veth peer name {WIRE} mtu {MTU} netns {}",
            generator.name()
        ));
        edge.ip(&format!("link add {OUT} mtu {MTU} type veth peer name {SINK} mtu {MTU} netns {}", sink.name()));
        let cables = Self { generator, edge, sink, edge_in };
        for (host, end) in cables.ends() {
            host.ip(&format!("link set {end} up"));
        }
        // What a program sends is received by an interface that polls.
        cables.edge.ethtool(&format!("-K {} gro on", cables.edge_in));
        cables.edge.ip(&format!("address add {EDGE_V4}/24 dev {OUT}"));
        cables.edge.ip(&format!("neighbor add {GATEWAY} lladdr {GATEWAY_MAC} nud permanent dev {OUT}"));
        cables.edge.ip(&format!("route add 10.1.0.0/16 via {GATEWAY}"));
        cables.edge.sysctl("ipv4/ip_forward", "1");
        cables
    }

    /// Packets that each end has had no room for, beginning with the generator's.
    pub(super) fn lost(&self) -> Result<Vec<u64>> {
        self.ends().iter().map(|(host, interface)| Ok(host.inside(|| counters::of(interface))?.lost)).collect()
    }

    /// All ends.
    fn ends(&self) -> [(&Host, &str); 6] {
        let Self { generator, edge, sink, edge_in } = self;
        [(generator, GENERATOR), (generator, CARD), (generator, WIRE), (edge, edge_in), (edge, OUT), (sink, SINK)]
    }
}
