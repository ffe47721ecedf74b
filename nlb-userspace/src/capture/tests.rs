//! Filters as they are written, and what is said of those that are wrong.

use proptest::prelude::*;

use super::*;

#[test]
fn a_filter_is_shown_as_it_was_written() {
    for text in [
        "",
        "dropped",
        "host 198.51.100.7",
        "host 198.51.100.7 and host 2001:db8::7",
        "net 10.0.0.0/8 and port 80 and port 1024-65535",
        "proto tcp and vip 192.0.2.10",
        "proto icmp6",
        "proto 47",
        "listener web-http and port 40000 and target [2001:db8::5]:80 and dropped",
        "target 10.0.0.5",
    ] {
        assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
    }
    assert_eq!("  host  ::1   and\tdropped ".parse::<Filter>().unwrap().to_string(), "host ::1 and dropped");
    assert_eq!("net 10.1.2.3/8".parse::<Filter>().unwrap().to_string(), "net 10.0.0.0/8");
    assert_eq!("proto 6 and port all".parse::<Filter>().unwrap().to_string(), "proto tcp and port all");
}

#[test]
fn a_wrong_filter_is_refused_with_the_place_and_what_is_right() {
    for (text, at, says) in [
        ("hots 10.0.0.1", 1, "`hots` is no condition: there are host, net,"),
        ("host", 5, "`host` needs a value, as `host 192.0.2.10`"),
        ("host and dropped", 6, "`host` needs a value"),
        ("host 10.0.0.300", 6, "`10.0.0.300` is no value of `host`: write an IPv4 or IPv6 address"),
        ("net 10.0.0.1", 5, "an address with a prefix length"),
        ("port 0", 6, "80, 8000-8099"),
        ("port 90-80", 6, "80, 8000-8099"),
        ("proto gre", 7, "tcp, udp, sctp, icmp, icmp6 or a number"),
        ("proto 0", 7, "tcp, udp"),
        ("listener we/b", 10, "a listener's name"),
        ("target web:80", 8, "ADDRESS or ADDRESS:PORT"),
        ("dropped and", 12, "a condition is missing behind `and`"),
        ("dropped or port 80", 9, "`or` stands where `and` should"),
        ("dropped and dropped", 13, "`dropped` for the second time: once is enough"),
        ("host ::1 and net ::/8 and host ::2", 27, "`host` for the third time: a packet has two ends"),
        ("port 1 and port 2 and port 3", 23, "`port` for the third time: a packet has two ports"),
        ("proto tcp and listener web", 15, "leave `proto` out"),
        ("listener web and vip ::1", 18, "leave `vip` out"),
        ("höst ::1", 1, "`höst` is no condition"),
    ] {
        let error = text.parse::<Filter>().expect_err(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn a_listener_that_is_not_there_is_named_with_those_that_are() {
    let configuration = crate::config::parse(
        "agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\ntargets = ['10.0.0.1:80']\n[[listener]]\nname = 'web'\n\
         address = '192.0.2.1'\nprotocol = 'tcp'\nport = 80\ntarget_group = 'g'",
        "nlb.toml",
    )
    .unwrap();
    let listeners: Vec<_> = configuration.listeners.iter().collect();
    let error = "listener wbe".parse::<Filter>().unwrap().pattern(&listeners).unwrap_err();
    assert_eq!(error.to_string(), "no listener `wbe`; there are: web");
    let pattern = "listener web".parse::<Filter>().unwrap().pattern(&listeners).unwrap();
    let said = "vip 192.0.2.1 and proto tcp".parse::<Filter>().unwrap().pattern(&[]).unwrap();
    assert_eq!((pattern.destination, pattern.protocol), (said.destination, said.protocol));
    assert_eq!((pattern.destination_ports.first, pattern.destination_ports.last), (80, 80));
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_read_or_refused(text in "(host|net|port|and|dropped|[0-9.:/]{1,9}|\\PC| ){0,12}") {
        match text.parse::<Filter>() {
            Ok(filter) => prop_assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter),
            Err(error) => prop_assert!(error.at <= text.chars().count() + 1, "{}", error),
        }
    }
}
