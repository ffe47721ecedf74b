//! The kernel's own balancer, IPVS, as a careful operator would set it up: tunnels to the targets, its Maglev scheduler.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nlb_tests::segment::Host;

use crate::balancer::{PORT, TARGET_V4, VIP_V4};

/// Seconds that a connection of UDP is remembered: longer than the bench runs.
const UDP_TIMEOUT: u32 = 7_200;

/// Makes a host balance what comes for the VIP over so many targets.
pub(super) fn configure(edge: &Host, targets: u32) -> Result<()> {
    edge.ip(&format!("address add {VIP_V4}/32 dev lo"));
    // It looks for a socket of every packet before the balancer sees it.
    edge.sysctl("ipv4/ip_early_demux", "0");
    let service = format!("{VIP_V4}:{PORT}");
    let mut rules = format!("-A -u {service} -s mh\n");
    for number in 0..targets {
        let target = Ipv4Addr::from_bits(TARGET_V4.to_bits() + number);
        writeln!(rules, "-a -u {service} -r {target}:{PORT} -i -w 1")?;
    }
    ipvsadm(edge, &["--restore"], &rules)?;
    ipvsadm(edge, &["--set", "0", "0", &UDP_TIMEOUT.to_string()], "")
}

fn ipvsadm(edge: &Host, words: &[&str], input: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", edge.name(), "ipvsadm"]).args(words).stdin(Stdio::piped());
    let mut running = command.spawn().context("cannot run ip")?;
    running.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    ensure!(running.wait()?.success(), "ipvsadm {words:?} failed");
    Ok(())
}
