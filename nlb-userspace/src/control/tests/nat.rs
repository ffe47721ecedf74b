//! Groups whose packets are translated: every flow is remembered, in a table of its own.

use nlb_common::address::Address;
use nlb_common::flow::Tracking;
use nlb_common::tables::Target as Entry;

use super::bench::{Bench, key};
use crate::control::Change;
use crate::dataplane::{FlowTable, PinPlace};
use crate::model;

const A: &str = "10.0.0.1:8080";
const B: &str = "10.0.0.2:8081";

/// A translated flow to `target`, as the packet path would remember it.
fn remember(bench: &mut Bench, port: u16, target: u32) -> PinPlace {
    bench.pin(port, target);
    let (place, _) = bench.memory.pinned().last_mut().unwrap();
    place.table = FlowTable::Translated;
    *place
}

#[test]
fn no_slot_is_ever_steady_and_entries_say_where_packets_go() {
    for (settings, forwarding) in
        [("forwarding = 'nat'", Entry::NAT), ("forwarding = 'nat'\nsource_nat = true", Entry::NAT_SOURCE)]
    {
        let bench = Bench::new(settings, &[A, B]);
        assert!(bench.slots().iter().all(|slot| !slot.is_steady()));
        assert_eq!(bench.tables.groups.values().next().unwrap().tracking, Tracking::Translated as u8);
        assert_eq!(bench.group().rules.tracking, model::Tracking::All);
        for (target, port) in [(A, 8080_u16), (B, 8081)] {
            let (_, entry) = bench.entry(target).unwrap();
            assert_eq!((entry.forwarding(), entry.port), (forwarding, port.to_be()));
        }
    }
}

#[test]
fn packets_come_from_an_address_that_the_edge_has_whatever_tunnels_come_from() {
    let settings = "forwarding = 'nat'\nsource_nat = true";
    let mut bench = Bench::new(settings, &[A]);
    let mut configuration = (**bench.state.configuration()).clone();
    configuration.agent.source_v4 = Some("192.0.2.0/28".parse().unwrap());
    let prospect = bench.state.under(&configuration, bench.state.overlay().clone(), bench.now);
    bench.state.configure(configuration, prospect, bench.now);
    bench.reconcile();
    let (_, entry) = bench.entry(A).unwrap();
    assert_eq!((entry.source, entry.source_bits), (Address::from(std::net::IpAddr::from([10, 0, 0, 254])), 0));
}

#[test]
fn a_flow_is_forgotten_once_it_was_silent_for_the_idle_timeout() {
    let mut bench = Bench::new("forwarding = 'nat'\nidle_timeout = '60s'", &[A, B]);
    let target = bench.index(A);
    let (busy, silent) = (remember(&mut bench, 1, target), remember(&mut bench, 2, target));
    for _ in 0..6 {
        bench.pass(15);
        bench.packet(busy);
    }
    assert!(bench.is_pinned(busy) && !bench.is_pinned(silent));
    assert_eq!(bench.target(A).unwrap().pins, Some(1));
}

#[test]
fn a_target_that_leaves_stays_as_long_as_it_has_flows() {
    let mut bench = Bench::new("forwarding = 'nat'\nidle_timeout = '60s'\nderegistration_delay = '1h'", &[A, B]);
    let target = bench.index(B);
    let flow = remember(&mut bench, 1, target);
    bench.change(&Change::Deregister { target: key(B) }).unwrap();
    assert!(bench.slots().iter().all(|slot| slot.current() != target));
    for _ in 0..20 {
        bench.pass(15);
        bench.packet(flow);
    }
    assert_eq!(bench.flags(B), Entry::DRAINING | Entry::NAT);
    bench.pass(200);
    assert!(bench.entry(B).is_none() && !bench.is_pinned(flow));
}
