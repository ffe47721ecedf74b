//! Gateways: listeners for networks, in front of appliances.

use std::net::IpAddr;

use nlb_common::address::Address;
use nlb_common::flow::Tracking;
use nlb_common::hash::Affinity;
use nlb_common::tables::{ListenerKey, Target as Entry};

use super::bench::Bench;
use crate::config;
use crate::control::endpoint_id;
use crate::control::event::Health;

const A: &str = "10.0.0.1:80";
const B: &str = "10.0.0.2:80";

/// An agent with a gateway for a network of each family, whose appliances are reached and healthy.
fn bench(settings: &str) -> Bench {
    let gateway = |name, network| {
        format!(
            "[[listener]]\nname = '{name}'\naddress = '{network}'\nprotocol = 'all'\nport = 'all'\ntarget_group = 'g'\n"
        )
    };
    let text = format!(
        "agent.interfaces = ['e']\nagent.source_v4 = '192.0.2.0/28'\n[[target_group]]\nname = 'g'\nring_size = 256\n\
         forwarding = 'geneve'\n{settings}\ntargets = ['{A}', '{B}']\n{}{}",
        gateway("in", "198.51.100.0/24"),
        gateway("in6", "2001:db8::/32")
    );
    let mut bench = Bench::of(config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}")));
    [A, B].iter().for_each(|target| bench.comes_up(target));
    bench
}

#[test]
fn a_gateway_stands_under_its_network_and_is_no_vip() {
    let bench = bench("affinity = 'source_ip_dest_ip'");
    let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
    let keys = [(address("198.51.100.0"), 96 + 24, "in"), (address("2001:db8::"), 32, "in6")];
    for (network, prefix, name) in keys {
        let entry = bench.tables.listeners[&ListenerKey::of_network(network, prefix)];
        assert_eq!(entry.endpoint, endpoint_id(&name.parse().unwrap()));
        assert_eq!((entry.affinity, entry.tracking), (Affinity::SourceIpDestIp as u8, Tracking::All as u8));
    }
    assert_eq!((bench.tables.listeners.len(), bench.tables.vips.len()), (2, 0));
}

#[test]
fn an_appliance_is_sent_to_from_an_address_that_the_edge_has_and_with_room_for_all_headers() {
    let bench = bench("");
    for target in [A, B] {
        let (_, entry) = bench.entry(target).unwrap();
        let from = (entry.source, entry.source_bits);
        assert_eq!(
            (entry.forwarding(), entry.mtu, from),
            (Entry::GENEVE, 1_500 - 68, (Address::from(IpAddr::from([10, 0, 0, 254])), 0))
        );
    }
}

#[test]
fn flows_of_an_appliance_that_fails_stay_or_go_by_setting() {
    for (settings, dead) in [("", 0), ("unhealthy_connection_termination = true", Entry::DEAD)] {
        let mut bench = bench(settings);
        bench.health(A, Health::Unhealthy);
        let (index, entry) = bench.entry(A).unwrap();
        assert_eq!(entry.flags & Entry::DEAD, dead, "{settings}");
        // New flows go to the other one in either case.
        assert!(bench.slots().iter().all(|slot| slot.current() != index));
    }
}

#[test]
fn no_flow_is_cut_when_an_appliance_leaves() {
    let bench = bench("deregistration_delay = '0s'");
    assert!(!bench.group().rules.connection_termination);
}
