//! Kernel settings that would silence a target or give it away: mended or named, and put back in the end.

use std::fs;
use std::time::{Duration, Instant};

use nlb_tests::segment::Host;
use nlb_userspace::target_agent::{self, Severity};

use crate::scene::Scene;
use crate::tunnel::{datagram, received};
use crate::{CLIENT_V4, DEADLINE, VIP_V4};

fn setting(host: &Host, name: &str) -> String {
    host.inside(|| fs::read_to_string(format!("/proc/sys/net/ipv4/conf/eth0/{name}")).unwrap()).trim().to_owned()
}

#[test]
fn detaching_leaves_the_host_as_it_was() {
    let scene = Scene::new();
    let target = scene.target();
    target.sysctl("ipv4/conf/eth0/rp_filter", "1");
    for family in ["ipv4", "ipv6"] {
        target.sysctl(&format!("{family}/conf/lo/forwarding"), "0");
    }
    let seen = || {
        let settings = ["rp_filter", "arp_ignore", "arp_announce"].map(|name| setting(target, name));
        let forwarding = ["ipv4", "ipv6"].map(|family| {
            target.inside(|| fs::read_to_string(format!("/proc/sys/net/{family}/conf/lo/forwarding")).unwrap())
        });
        (settings, forwarding, target.ip("-o address show dev lo"), target.ip("-o link show dev eth0"))
    };
    // The kernel finds out in its own time that the cable is plugged in.
    let deadline = Instant::now() + DEADLINE;
    while !seen().3.contains(" state UP ") {
        assert!(Instant::now() < deadline, "{:?}", seen());
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = seen();
    let agent = scene.agent();
    assert_eq!(seen().0, ["2", "1", "2"]);
    assert_eq!(seen().1, ["1\n", "1\n"]);
    assert!(target.inside(|| target_agent::detach(&scene.file())).is_err(), "not while the agent runs");
    assert!(!scene.status().attachments.is_empty());
    drop(agent);
    let removed = target.inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!((removed.interfaces, removed.sysctls.len()), (vec!["eth0".to_owned()], 5));
    assert_eq!(seen(), before);
    assert!(!scene.pin_path.exists() && !scene.folder.path().join("state").exists());
    let again = target.inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!(again, Default::default(), "there is nothing to do twice");
}

#[test]
fn a_setting_that_somebody_changed_since_is_not_put_back() {
    let scene = Scene::new();
    drop(scene.agent());
    scene.target().sysctl("ipv4/conf/eth0/arp_ignore", "2");
    scene.target().inside(|| target_agent::detach(&scene.file())).unwrap();
    assert_eq!(
        (setting(scene.target(), "arp_ignore"), setting(scene.target(), "arp_announce")),
        ("2".into(), "0".into())
    );
}

#[test]
fn a_host_that_would_answer_for_the_vips_is_refused_when_its_settings_are_not_to_be_touched() {
    let scene = Scene::new();
    scene.write("fix_sysctls = false");
    let error = scene.launch().join().unwrap_err();
    for line in ["sysctl -w net.ipv4.conf.eth0.arp_ignore=1", "sysctl -w net.ipv4.conf.eth0.arp_announce=2"] {
        assert!(error.contains(line), "{error}");
    }
    assert!(!scene.target().ip("address show dev lo").contains(VIP_V4));
    assert_eq!(setting(scene.target(), "arp_ignore"), "0");
}

#[test]
fn a_strict_reverse_path_filter_is_named_and_mended() {
    let scene = Scene::new();
    let target = scene.target();
    // The way back to the client is another than the one that its packets come by.
    target.ip("link add other0 type veth peer name other1");
    target.ip("link set other0 up");
    target.ip(&format!("route replace {CLIENT_V4} dev other0"));
    for (name, value) in [("rp_filter", "1"), ("arp_ignore", "1"), ("arp_announce", "2")] {
        target.sysctl(&format!("ipv4/conf/eth0/{name}"), value);
    }
    let service = scene.service("0.0.0.0");
    let tunnel = scene.tunnel("10.9.0.1");
    scene.write("fix_sysctls = false");
    {
        let _agent = scene.agent();
        let status = scene.status();
        let named = status.findings.iter().find(|finding| finding.what.contains("rp_filter")).expect("it is named");
        assert_eq!(named.severity, Severity::Silencing);
        assert!(named.mend.contains("sysctl -w net.ipv4.conf.eth0.rp_filter=2"), "{named}");
        tunnel.send("10.9.0.2", &datagram(VIP_V4, b"strict"));
    }
    scene.write("");
    let _agent = scene.agent();
    assert!(!scene.status().findings.iter().any(|finding| finding.what.contains("rp_filter")));
    tunnel.send("10.9.0.2", &datagram(VIP_V4, b"loose"));
    assert_eq!(received(&service).0, b"loose", "the one before was dropped");
}
