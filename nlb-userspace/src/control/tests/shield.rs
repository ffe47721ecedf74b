//! Where no tunnel may lead from outside.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::bench::Bench;
use crate::config;
use crate::model::Configuration;

/// A listener and a group for each way to forward that matters, and `agent` besides.
fn configuration(agent: &str, tunnelled: &[&str]) -> Configuration {
    let text = format!(
        "[agent]\ninterfaces = ['e']\n{agent}\n\
         [[listener]]\naddress = '192.0.2.1'\nprotocol = 'tcp'\nport = 80\ntarget_group = 'in-udp'\n\
         [[listener]]\naddress = '2001:db8::1'\nprotocol = 'tcp'\nport = 80\ntarget_group = 'in-ip'\n\
         [[target_group]]\nname = 'in-udp'\nring_size = 256\nforwarding = 'gue'\ntargets = {tunnelled:?}\n\
         [[target_group]]\nname = 'in-ip'\nring_size = 256\ntargets = ['[fd00::3]:80']\n\
         [[target_group]]\nname = 'segment'\nring_size = 256\nforwarding = 'l2'\ntargets = ['10.0.0.4:80']\n\
         [[target_group]]\nname = 'translated'\nring_size = 256\nforwarding = 'nat'\ntargets = ['10.0.0.5:80']\n"
    );
    config::parse(&text, "f").unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

fn shielded(bench: &Bench) -> BTreeSet<String> {
    bench.tables.shielded.iter().map(|&address| IpAddr::from(address).to_string()).collect()
}

#[test]
fn vips_and_targets_by_a_tunnel_are_shielded_for_as_long_as_they_are_there_and_it_is_wished() {
    let expected = |addresses: &[&str]| addresses.iter().map(|address| (*address).to_owned()).collect::<BTreeSet<_>>();
    let both = ["10.0.0.1:80", "10.0.0.2:80"];
    let all = expected(&["192.0.2.1", "2001:db8::1", "10.0.0.1", "10.0.0.2", "fd00::3"]);
    let mut bench = Bench::of(configuration("", &both));
    assert_eq!(shielded(&bench), all);
    // One that is leaving still serves, and is gone in the end.
    bench.configure(configuration("", &both[..1]));
    assert_eq!(shielded(&bench), all);
    bench.pass(700);
    assert_eq!(shielded(&bench), expected(&["192.0.2.1", "2001:db8::1", "10.0.0.1", "fd00::3"]));

    bench.configure(configuration("drop_foreign_tunnels = false", &both));
    assert_eq!(shielded(&bench), expected(&[]));
}
