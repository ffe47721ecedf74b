//! An agent that runs: its file, its interfaces, and others beside it.

use std::fs;

use nlb_userspace::target_agent::Command;

use crate::scene::Scene;
use crate::{VIP_V4, VIP_V6};

#[test]
fn the_file_is_read_again_when_told_and_a_bad_one_changes_nothing() {
    let scene = Scene::new();
    let agent = scene.agent();
    scene.write_with(&[VIP_V4, "203.0.113.77"], "addresses = [\"10.9.0.2\"]");
    agent.tell(Command::Reload);
    scene.until("the new settings are in force", |status| {
        status.vips.iter().all(|vip| vip.on_loopback) && status.tunnel_ends.len() == 1
    });
    let addresses = || scene.target().ip("address show dev lo");
    assert!(!addresses().contains(VIP_V6), "what is no longer configured is gone: {}", addresses());
    let good = fs::read_to_string(scene.file()).unwrap();
    fs::write(scene.file(), good.replace("203.0.113.77", "203.0.113.78").replace("eth0", "")).unwrap();
    // Each is taken when the one before it is done.
    for _ in 0..3 {
        agent.tell(Command::Reload);
    }
    assert!(addresses().contains("203.0.113.77") && !addresses().contains("203.0.113.78"), "{}", addresses());
    fs::write(scene.file(), good).unwrap();
    assert_eq!(scene.status().attachments.len(), 1);
}

#[test]
fn an_interface_that_was_made_anew_gets_the_program_again() {
    let scene = Scene::new();
    let _agent = scene.agent();
    scene.target().ip("link delete eth0");
    scene.until("the program is gone with the interface", |status| status.attachments.is_empty());
    scene.target().ip("link add eth0 type veth peer name eth1");
    scene.target().ip("link set eth0 up");
    scene.until("the new interface has the program", |status| status.attachments.len() == 1);
}

#[test]
fn a_second_agent_with_the_same_pins_is_refused() {
    let scene = Scene::new();
    let _first = scene.agent();
    let error = scene.launch().join().unwrap_err();
    assert!(error.contains("another agent runs"), "{error}");
}
