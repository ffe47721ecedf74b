//! How answers look: golden texts.

use std::time::Duration;

use nlb_common::layout::LAYOUT_VERSION;
use nlb_userspace::api::dto::{
    Difference, DroppedChange, GroupSummary, GroupView, ListenerView, Moment, ReloadFailure, ReloadReport, Stats,
    Status, TargetView,
};
use nlb_userspace::commands::render::{Style, age, bar, bits, count, rate};
use nlb_userspace::commands::text;
use nlb_userspace::doctor::{Finding, Severity};
use nlb_userspace::model::Timestamp;

use crate::sample;

const TERMINAL: Style = Style { colours: false, marks: true };

fn now() -> Moment {
    Timestamp::from_epoch(sample::NOW).into()
}

fn after(seconds: u64) -> Moment {
    (Timestamp::from_epoch(sample::NOW) + Duration::from_secs(seconds)).into()
}

/// `text` as a test can hold it: without the line break that begins the literal.
fn golden(actual: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(actual == expected, "expected\n{expected}\ngot\n{actual}");
}

#[test]
fn status_shows_what_is_wrong_at_a_glance() {
    let mut snapshot = sample::snapshot();
    snapshot.dataplane_error = Some("no memory".to_owned());
    let mut status = Status::of(&snapshot);
    (status.at, status.agent.pid, status.agent.version) = (now(), 7, "0.1.0".to_owned());
    status.config.reload_failure =
        Some(ReloadFailure { at: now(), reason: "nlb.toml:2:1: unknown key `interfces`".to_owned() });
    let (first, second) = readings(&snapshot);
    let expected = STATUS.replace("LAYOUT", &LAYOUT_VERSION.to_string());
    golden(&text::status(&status, Ok((&first, &second)), Style::PLAIN), &expected);
}

/// Two readings two seconds apart, with traffic and drops in between.
fn readings(snapshot: &nlb_userspace::control::snapshot::Snapshot) -> (Stats, Stats) {
    let mut first = Stats::of(snapshot, &sample::reading());
    first.at = now();
    let mut second = first.clone();
    second.at = after(2);
    second.listeners[0].traffic.packets += 2_468_000;
    second.listeners[0].traffic.bytes += 2_500_000_000;
    second.listeners[0].traffic.new_flows += 300;
    second.targets[0].traffic.packets += 2_468_000;
    second.drops.iter_mut().find(|drop| drop.reason == "no_target").unwrap().packets += 6;
    (first, second)
}

#[test]
fn listeners_are_a_table() {
    golden(&text::listeners(&ListenerView::all(&sample::snapshot()), Style::PLAIN), LISTENERS);
}

#[test]
fn a_target_group_is_shown_with_its_targets() {
    let snapshot = sample::snapshot();
    golden(&text::target_group(&GroupView::of(&snapshot, &snapshot.groups[0]), now(), Style::PLAIN), GROUP);
}

#[test]
fn a_terminal_gets_marks_and_bars() {
    golden(&text::target_groups(&GroupSummary::all(&sample::snapshot()), TERMINAL), GROUPS_ON_A_TERMINAL);
    let colours = Style { colours: true, marks: true };
    let coloured = text::target_groups(&GroupSummary::all(&sample::snapshot()), colours);
    assert!(coloured.contains("\u{1b}[1;31m✖ FAIL OPEN\u{1b}[0m"), "{coloured}");
    let mut bare = coloured;
    while let Some(start) = bare.find('\u{1b}') {
        let end = start + bare[start..].find('m').unwrap();
        bare.replace_range(start..=end, "");
    }
    golden(&bare, GROUPS_ON_A_TERMINAL);
}

#[test]
fn targets_without_a_way_say_why() {
    let snapshot = sample::snapshot();
    let group = &snapshot.groups[1];
    let views: Vec<_> = group.targets.iter().map(|target| TargetView::of(&snapshot, group, target)).collect();
    golden(&text::targets(&views, now(), Style::PLAIN), TARGET_WITHOUT_WAY);
}

#[test]
fn targets_of_quic_are_shown_with_their_ids() {
    let mut snapshot = sample::snapshot();
    for (target, id) in snapshot.groups[0].targets.iter_mut().zip(["0a01", "0a02"]) {
        target.quic_server_id = Some(id.parse().unwrap());
    }
    let group = &snapshot.groups[0];
    let views: Vec<_> = group.targets.iter().map(|target| TargetView::of(&snapshot, group, target)).collect();
    let shown = text::targets(&views, now(), Style::PLAIN);
    let third = shown.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).nth(2).unwrap().trim());
    assert_eq!(third.collect::<Vec<_>>(), ["QUIC ID", "0a01", "0a02", "-"], "{shown}");
}

#[test]
fn stats_are_totals_or_rates() {
    let (first, second) = readings(&sample::snapshot());
    golden(&text::stats(&first, Style::PLAIN), TOTALS);
    golden(&text::stats_rates(&first, &second, Style::PLAIN), RATES);
}

#[test]
fn a_reload_is_told_line_by_line() {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let report = ReloadReport {
        listeners: Difference { added: strings(&["new"]), ..Difference::default() },
        targets: Difference {
            removed: strings(&["web/10.0.0.9:80"]),
            changed: strings(&["web/10.0.0.1:80"]),
            ..Difference::default()
        },
        autoscaling_groups: Difference {
            added: strings(&["batch"]),
            removed: strings(&["old"]),
            changed: strings(&["web"]),
        },
        dropped: vec![DroppedChange {
            change: "set-weight old/10.0.0.1:80 5".to_owned(),
            reason: "group `old` is gone".to_owned(),
        }],
        restart_needed: strings(&["agent.interfaces", "agent.mode"]),
        ..ReloadReport::default()
    };
    golden(&text::reload(&report, Style::PLAIN), RELOAD);
    golden(
        &text::reload(&ReloadReport::default(), Style::PLAIN),
        "nothing changed: the file says what is in force already\n",
    );
}

#[test]
fn doctor_says_what_to_mend_first() {
    let finding = |severity, stage: &str, what: &str, mend: Option<&str>| Finding {
        stage: stage.to_owned(),
        severity,
        what: what.to_owned(),
        mend: mend.map(str::to_owned),
    };
    let mut findings = vec![finding(Severity::Ok, "kernel", "Linux 6.1", None)];
    golden(&text::doctor(&findings, Style::PLAIN), HEALTHY_DOCTOR);
    findings.push(finding(Severity::Warn, "program", "generic", Some("use native")));
    findings.push(finding(Severity::Fail, "next hop", "none", Some("ip route get 10.0.0.1")));
    golden(&text::doctor(&findings, Style::PLAIN), DOCTOR);
}

#[test]
fn numbers_are_readable() {
    let spans =
        [(0, "0s"), (59, "59s"), (60, "1m"), (3_661, "1h 1m"), (3_605, "1h"), (90_000, "1d 1h"), (864_000, "10d")];
    for (seconds, expected) in spans {
        assert_eq!(age(Duration::from_secs(seconds)), expected);
    }
    for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(count(number), expected);
    }
    let rates =
        [(0.0, "0"), (0.5, "0.50"), (12.34, "12.3"), (999.4, "999"), (999.6, "1.00 k"), (1_234_567.0, "1.23 M")];
    for (number, expected) in rates {
        assert_eq!(rate(number), expected);
    }
    assert_eq!((bits(125_000_000.0), bits(0.0)), ("1.00 Gbit/s".to_owned(), "0 bit/s".to_owned()));
    for (share, filled) in [(0.0, 0), (0.01, 0), (0.05, 1), (0.5, 5), (0.949, 9), (0.95, 10), (1.0, 10)] {
        assert_eq!(bar(share).chars().filter(|&block| block == '█').count(), filled, "{share}");
    }
}

const STATUS: &str = "
agent       nlb 0.1.0, up 3h 12m, pid 7, zone a
config      /etc/nlb/nlb.toml, loaded 1h ago
            RELOAD FAILED 0s ago, the above is still in force:
            nlb.toml:2:1: unknown key `interfces`
program     eth0 native (program 42), eth1 NOT ATTACHED; layout LAYOUT
tables      NOT WHAT THEY SHOULD BE: no memory
listeners   4
traffic     1.23 M packets/s, 10.0 Gbit/s, 150 new flows/s
drops       no_target: the target group has no target (18 in all, now 3.00/s)

TARGET GROUP  HEALTHY  ROUTING    LISTENERS
web           2/3      healthy    web-http, web-v6
dns           0/1      FAIL OPEN  dns
empty         0/0      NO TARGET  old
";
const LISTENERS: &str = "
LISTENER  PROTOCOL  ADDRESS       PORT  TARGET GROUP  HEALTHY  ROUTING
web-http  tcp       192.0.2.10      80  web           2/3      healthy
web-v6    tcp       2001:db8::10    80  web           2/3      healthy
dns       udp       192.0.2.10      53  dns           0/1      FAIL OPEN
old       tcp       192.0.2.11     443  empty=100     0/0      NO TARGET
";
const GROUP: &str = "
TARGET GROUP  HEALTHY  ROUTING  LISTENERS
web           2/3      healthy  web-http, web-v6

forwarding    ipip, affinity flow, own zone first
health check  http GET /healthy, expecting 200-399 on the target's port every 5s, timeout 2s, 2 to pass, 2 to fail
flows         remembered in transitions (1,234 now), over after 350s without packets
leaving       targets keep their flows for 5m, the rest is given to other targets
ring          256 slots, 90 in transition
last change   1m ago, 90 slots moved (at least 86)

TARGET GROUP  TARGET              ZONE         WEIGHT  SHARE  HEALTH     SINCE  ORIGIN   NEXT HOP            REASON
web           10.0.0.1:80         a     50 (file 100)  50.0%  healthy    10m    file     on link eth0        2 of 2 checks passed
web           10.0.0.2:80         b               100   0.0%  unhealthy  10m    file     on link eth0        2 of 2 checks failed: connection refused
web           [2001:db8:1::3]:80  -               100  50.0%  draining   10m    runtime  2001:db8:1::1 eth0  command: 34 flows left, 4m 50s to go
";
const GROUPS_ON_A_TERMINAL: &str = "
TARGET GROUP  HEALTHY              ROUTING      LISTENERS
web           2/3      ███████░░░  ● healthy    web-http, web-v6
dns           0/1      ░░░░░░░░░░  ✖ FAIL OPEN  dns
empty         0/0      ░░░░░░░░░░  ✖ NO TARGET  old
";
const TARGET_WITHOUT_WAY: &str = "
TARGET GROUP  TARGET       ZONE  WEIGHT   SHARE  HEALTH     SINCE  ORIGIN  NEXT HOP                                                      REASON
dns           10.0.1.1:53  -        100  100.0%  unhealthy  10m    file    none: no route to the target: add one, or see `ip route get`  2 of 2 checks failed: timed out
";
const TOTALS: &str = "
LISTENER  PROTOCOL  ADDRESS            PACKETS      BYTES  NEW FLOWS  ACTIVE FLOWS
web-http  tcp       192.0.2.10:80        4,000  6,000,000         40        40,000
web-v6    tcp       [2001:db8::10]:80    3,000  4,500,000         30        30,000
dns       udp       192.0.2.10:53        2,000  3,000,000         20        20,000
old       tcp       192.0.2.11:443       1,000  1,500,000         10             -

TARGET GROUP  TARGET              ZONE  PACKETS      BYTES  NEW FLOWS  ACTIVE FLOWS
web           10.0.0.1:80         a       1,000  1,500,000         10         5,000
web           10.0.0.2:80         b       2,000  3,000,000         20        10,000
web           [2001:db8:1::3]:80  -       3,000  4,500,000         30        15,000
dns           10.0.1.1:53         -       4,000  6,000,000         40             -

DROPPED    PACKETS  WHY
no_target       12  the target group has no target
";
const RATES: &str = "
LISTENER  PROTOCOL  ADDRESS            PACKETS/S      TRAFFIC  NEW FLOWS/S  ACTIVE FLOWS
web-http  tcp       192.0.2.10:80         1.23 M  10.0 Gbit/s          150        40,000
web-v6    tcp       [2001:db8::10]:80          0      0 bit/s            0        30,000
dns       udp       192.0.2.10:53              0      0 bit/s            0        20,000
old       tcp       192.0.2.11:443             0      0 bit/s            0             -

TARGET GROUP  TARGET              ZONE  PACKETS/S  TRAFFIC  NEW FLOWS/S  ACTIVE FLOWS
web           10.0.0.1:80         a        1.23 M  0 bit/s            0         5,000
web           10.0.0.2:80         b             0  0 bit/s            0        10,000
web           [2001:db8:1::3]:80  -             0  0 bit/s            0        15,000
dns           10.0.1.1:53         -             0  0 bit/s            0             -

DROPPED    PACKETS  WHY
no_target   3.00/s  the target group has no target
";
const RELOAD: &str = "
+ listener new
- target web/10.0.0.9:80
~ target web/10.0.0.1:80
+ autoscaling group batch
- autoscaling group old
~ autoscaling group web
! instances that nobody ends now: those of old; give it back with `min = 0`, then `nlb asg set-desired old 0`
! runtime change forgotten: set-weight old/10.0.0.1:80 5: group `old` is gone
! used from the agent's next start on: agent.interfaces, agent.mode
";
const HEALTHY_DOCTOR: &str = "
ok    kernel  Linux 6.1

nothing keeps traffic from flowing, as far as can be seen from here
";
const DOCTOR: &str = "
ok    kernel    Linux 6.1
WARN  program   generic
                mend: use native
FAIL  next hop  none
                mend: ip route get 10.0.0.1

1 obstacle in the way of traffic: mend the first FAIL first
";
