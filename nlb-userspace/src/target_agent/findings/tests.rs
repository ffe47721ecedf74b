use super::*;
use crate::target_agent::settings::parse;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn settings() -> TargetSettings {
    let text = "[target_agent]\ninterfaces = [\"eth0.7\"]\nedges = [\"192.0.2.1\", \"2001:db8::/64\"]\n\
                vips = [\"203.0.113.1\", \"2001:db8:ff::1\"]\n";
    parse(text, "target.toml").unwrap()
}

/// A host with nothing to find.
fn sound() -> Observed {
    let eth = Interface {
        up: true,
        mtu: 1600,
        sysctls: Sysctls { arp_ignore: 1, arp_announce: 2, ..Sysctls::default() },
        addresses: BTreeSet::from([ip("192.0.2.21"), ip("2001:db8::21")]),
        ..Interface::default()
    };
    let addresses = BTreeSet::from([ip("127.0.0.1"), ip("203.0.113.1"), ip("2001:db8:ff::1")]);
    let sysctls = Sysctls { forwarding_v4: true, forwarding_v6: true, ..Sysctls::default() };
    let lo = Interface { up: true, mtu: 65536, loopback: true, addresses, sysctls };
    Observed {
        all: Sysctls::default(),
        interfaces: BTreeMap::from([("eth0.7".to_owned(), eth), ("lo".to_owned(), lo)]),
        listening: BTreeSet::from([ip("::")]),
    }
}

#[test]
fn a_sound_host_has_nothing_to_be_found() {
    assert_eq!(findings(&settings(), &sound()), []);
    assert_eq!(fixes(&settings(), &sound()), []);
}

/// One thing made wrong, and what is to be said.
type Case = (fn(&mut Observed), Severity, &'static str, &'static str);

fn eth(host: &mut Observed) -> &mut Interface {
    host.interfaces.get_mut("eth0.7").unwrap()
}

fn lo(host: &mut Observed) -> &mut Interface {
    host.interfaces.get_mut("lo").unwrap()
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_mend() {
    let cases: &[Case] = &[
        (
            |host| eth(host).sysctls.rp_filter = 1,
            Severity::Silencing,
            "strict `rp_filter`",
            "sysctl -w net.ipv4.conf.eth0/7.rp_filter=2",
        ),
        (|host| host.all.rp_filter = 1, Severity::Silencing, "strict `rp_filter`", "eth0/7.rp_filter=2"),
        (|host| eth(host).sysctls.arp_ignore = 0, Severity::Harmful, "answer ARP", "eth0/7.arp_ignore=1"),
        (|host| eth(host).sysctls.arp_announce = 1, Severity::Harmful, "VIP's name", "eth0/7.arp_announce=2"),
        (
            |host| eth(host).sysctls.disable_ipv6 = true,
            Severity::Silencing,
            "IPv6 is disabled",
            "eth0/7.disable_ipv6=0",
        ),
        (|host| lo(host).sysctls.disable_ipv6 = true, Severity::Silencing, "disabled on `lo`", "lo.disable_ipv6=0"),
        (|host| lo(host).sysctls.forwarding_v4 = false, Severity::Doubtful, "sent on", "net.ipv4.conf.lo.forwarding=1"),
        (|host| lo(host).sysctls.forwarding_v6 = false, Severity::Doubtful, "sent on", "net.ipv6.conf.lo.forwarding=1"),
        (|host| eth(host).up = false, Severity::Silencing, "is down", "ip link set dev eth0.7 up"),
        (|host| eth(host).mtu = 1539, Severity::Doubtful, "don't fit into the tunnel (`ipip`", "mtu 1600"),
        (|host| eth(host).mtu = 1540, Severity::Doubtful, "tunnel of `gue` edges", "mtu 1600"),
        (|host| eth(host).mtu = 1571, Severity::Doubtful, "`gue` 1572", "mtu 1600"),
        (
            |host| {
                lo(host).addresses.remove(&ip("203.0.113.1"));
            },
            Severity::Silencing,
            "not on `lo`",
            "start",
        ),
        (
            |host| {
                eth(host).addresses.insert(ip("203.0.113.1"));
            },
            Severity::Harmful,
            "is on `eth0.7`",
            "ip address delete 203.0.113.1 dev eth0.7",
        ),
        (
            |host| {
                eth(host).addresses.remove(&ip("2001:db8::21"));
            },
            Severity::Silencing,
            "IPv6 edges",
            "address",
        ),
        (
            |host| host.listening = BTreeSet::from([ip("0.0.0.0"), ip("2001:db8::21")]),
            Severity::Doubtful,
            "listens on the VIP 2001:db8:ff::1",
            "start the service",
        ),
        (
            |host| {
                let other = Interface { up: true, mtu: 1500, ..Interface::default() };
                host.interfaces.insert("eth1".to_owned(), other);
            },
            Severity::Doubtful,
            "`eth1` answers ARP",
            "net.ipv4.conf.eth1.arp_ignore=1",
        ),
    ];
    for (break_it, severity, what, mend) in cases {
        let mut host = sound();
        break_it(&mut host);
        let found = findings(&settings(), &host);
        let [finding] = &found[..] else { panic!("{what}: {found:?}") };
        assert_eq!(finding.severity, *severity, "{what}");
        assert!(finding.what.contains(what) && finding.mend.contains(mend), "{what}, {mend}: {finding}");
    }
}

#[test]
fn what_was_fixed_is_no_finding() {
    let mut host = sound();
    host.all.rp_filter = 1;
    eth(&mut host).sysctls = Sysctls::default();
    for fix in fixes(&settings(), &host) {
        let sysctls = &mut eth(&mut host).sysctls;
        match fix.key.rsplit('/').next().unwrap() {
            "rp_filter" => sysctls.rp_filter = fix.value,
            "arp_ignore" => sysctls.arp_ignore = fix.value,
            "arp_announce" => sysctls.arp_announce = fix.value,
            other => panic!("{other}"),
        }
    }
    assert_eq!(findings(&settings(), &host), []);
}

#[test]
fn a_missing_interface_is_named() {
    let mut host = sound();
    host.interfaces.remove("eth0.7");
    assert!(findings(&settings(), &host).iter().any(|finding| finding.what == "there is no interface `eth0.7`"));
}

#[test]
fn arp_does_not_matter_to_a_host_without_ipv4_vips() {
    let mut host = sound();
    eth(&mut host).sysctls = Sysctls { rp_filter: 1, ..Sysctls::default() };
    let vips = BTreeSet::from([ip("2001:db8:ff::1")]);
    assert_eq!(findings(&TargetSettings { vips, ..settings() }, &host), []);
}

#[test]
fn tunnels_end_at_the_interfaces_own_addresses_unless_told_otherwise() {
    let mut host = sound();
    eth(&mut host).addresses.extend([ip("203.0.113.1"), ip("fe80::21")]);
    assert_eq!(tunnel_ends(&settings(), &host), BTreeSet::from([ip("192.0.2.21"), ip("2001:db8::21")]));
    let only = BTreeSet::from([ip("192.0.2.99")]);
    let told = TargetSettings { addresses: Some(only.clone()), ..settings() };
    assert_eq!(tunnel_ends(&told, &host), only);
}
