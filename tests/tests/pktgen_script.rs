//! `scripts/pktgen.sh`, which loads an edge from a second host: what it tells pktgen, what it refuses, and a run where the kernel
//! has pktgen, as the virtual machine's has.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

use nlb_tests::segment::{EDGE_MAC, Segment};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/pktgen.sh");
const PKTGEN: &str = "/proc/net/pktgen";
/// What no run can do without.
const LEAST: [&str; 6] = ["--device", "eth1", "--mac", "02:00:00:00:00:01", "--vip", "198.18.0.1"];

fn script(words: &[&str]) -> Output {
    Command::new("bash").arg(SCRIPT).args(words).output().unwrap()
}

fn with(words: &[&str]) -> Output {
    script(&[&LEAST[..], words].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The value that one of pktgen's files is told.
fn told<'a>(lines: &'a str, file: &str, key: &str) -> Vec<&'a str> {
    let prefix = format!("pgset {file} \"{key} ");
    lines.lines().filter_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"')).collect()
}

#[test]
fn each_wrong_argument_is_refused_with_what_would_be_right() {
    for (words, text) in [
        (&["--speed", "9"][..], "there is no option '--speed'"),
        (&["--port"], "--port needs a value"),
        (&["--port", "0"], "--port must be a number from 1 to 65535, not '0'"),
        (&["--port", "http"], "--port must be a number from 1 to 65535, not 'http'"),
        (&["--mac", "2:0:0:0:0:1"], "--mac must be like 02:00:00:00:00:01, not '2:0:0:0:0:1'"),
        (&["--vip", "edge"], "--vip must be an IPv4 or IPv6 address, not 'edge'"),
        (&["--vip", "2001:db8::1", "--flows", "60001"], "--flows must be a number from 1 to 60000, not '60001'"),
        (&["--size", "63"], "--size must be a number from 64 to 9018, not '63'"),
        (&["--vip", "2001:db8::1"], "--size must be a number from 84 to 9018, not '64'"),
        (&["--threads", "4", "--flows", "3"], "--flows must be at least --threads, which is 4"),
        (&["--threads", "4", "--count", "3"], "--count must be at least --threads, which is 4"),
        (&["--count", "5", "--seconds", "5"], "--count and --seconds exclude each other"),
        (&["--rate", "-1"], "--rate must be a number from 0 to 1000000000, not '-1'"),
    ] {
        let output = with(&[&["--dry-run"], words].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.as_str()), (Some(2), &*format!("pktgen.sh: {text}; see --help\n")));
        assert!(output.stdout.is_empty(), "{words:?}: pktgen would be told something all the same");
    }
    for missing in 0..3 {
        let words = [&LEAST[..2 * missing], &LEAST[2 * missing + 2..], &["--dry-run"]].concat();
        let error = String::from_utf8(script(&words).stderr).unwrap();
        assert!(error.contains(LEAST[2 * missing]), "{words:?}: {error}");
    }
}

#[test]
fn threads_share_flows_packets_and_rate_and_have_a_cpu_and_a_queue_each() {
    let output =
        with(&["--dry-run", "--threads", "3", "--first-cpu", "2", "--flows", "1000", "--count", "10", "--rate", "8"]);
    let lines = said(&output);
    assert!(output.status.success());
    let mut next = Ipv4Addr::new(100, 64, 0, 0);
    let (mut packets, mut rate) = (0, 0);
    for thread in 0..3 {
        let device = format!("eth1@{thread}");
        assert_eq!(told(&lines, &format!("kpktgend_{}", thread + 2), "add_device"), [&device]);
        let only = |key: &str| match told(&lines, &device, key)[..] {
            [value] => value.to_owned(),
            ref values => panic!("{key} of {device}: {values:?}"),
        };
        let number = |key: &str| only(key).parse::<u32>().unwrap();
        assert_eq!((number("queue_map_min"), number("queue_map_max")), (thread, thread));
        // Random addresses are below the greatest, which is the next thread's first.
        assert_eq!(only("src_min"), next.to_string());
        next = only("src_max").parse().unwrap();
        packets += number("count");
        rate += number("ratep");
        assert_eq!((only("dst_mac"), only("dst"), only("pkt_size")), (LEAST[3].into(), LEAST[5].into(), "60".into()));
        assert_eq!((only("udp_dst_min"), only("udp_dst_max")), ("80".to_owned(), "80".to_owned()));
    }
    assert_eq!((next.to_bits() - Ipv4Addr::new(100, 64, 0, 0).to_bits(), packets, rate), (1_000, 10, 8));
    assert_eq!(lines.lines().last(), Some("pgset pgctrl \"start\""));
}

#[test]
fn flows_to_an_ipv6_address_differ_by_their_ports() {
    let lines =
        said(&with(&["--dry-run", "--vip", "2001:db8::1", "--size", "1500", "--flows", "60000", "--burst", "8"]));
    let flags: BTreeSet<_> = told(&lines, "eth1@0", "flag").into_iter().collect();
    assert_eq!(flags, BTreeSet::from(["NO_TIMESTAMP", "UDPCSUM", "UDPSRC_RND"]));
    for (key, value) in [
        ("dst6", "2001:db8::1"),
        ("udp_src_min", "4000"),
        ("udp_src_max", "64000"),
        ("pkt_size", "1496"),
        ("burst", "8"),
        // Until it is told to stop.
        ("count", "0"),
    ] {
        assert_eq!(told(&lines, "eth1@0", key), [value], "{key}");
    }
}

#[test]
fn it_sends_what_it_is_asked_for_counts_it_at_the_edge_and_leaves_nothing_or_says_that_there_is_no_pktgen() {
    let net = Segment::new();
    // What stands for an edge that forwards every datagram: here nobody takes any, and the kernel counts them.
    let json =
        r#"{"drops":[],"listeners":[{"address":"10.9.0.1","port":53,"protocol":"udp","traffic":{"packets":%d}}]}"#;
    let print = format!("/^Udp: [0-9]/ {{ printf \"{}\", $2 + $3 }}", json.replace('"', "\\\""));
    let stats = format!("ip netns exec {} awk '{print}' /proc/net/snmp", net.edge.name());
    let run = |more: &[&str]| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", net.peer.name(), "bash", SCRIPT, "--device", "eth0", "--mac", EDGE_MAC]);
        command.args(["--vip", "10.9.0.1", "--port", "53"]).args(more).output().unwrap()
    };
    let output = run(&["--count", "5000", "--rate", "20000", "--stats", &stats]);
    let error = String::from_utf8_lossy(&output.stderr);
    if !Path::new(PKTGEN).exists() {
        assert!(!output.status.success() && error.contains("this kernel has no pktgen"), "{error}");
        return;
    }
    assert!(output.status.success(), "{error}");
    let text = said(&output);
    let packets = |row: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row}: {text}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(packets("sent"), 5_000, "{text}");
    assert_eq!((packets("forwarded"), packets("dropped"), packets("missing")), (5_000, 0, 0), "{text}");
    let left = net.peer.inside(|| std::fs::read_dir("/proc/thread-self/net/pktgen").unwrap().count());
    assert_eq!(left, 1 + std::thread::available_parallelism().unwrap().get(), "only pgctrl and the threads' files");
    // Asked for something that the edge doesn't serve, it says so.
    let other = run(&["--count", "10", "--stats", "echo '{\"listeners\":[],\"drops\":[]}'"]);
    let error = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && error.contains("no UDP listener 10.9.0.1 port 53"), "{error}");
}
