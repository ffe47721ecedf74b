//! Leaving the laboratory up, for someone to look around.

use std::io::{IsTerminal as _, stdin};
use std::thread;

use anyhow::{Context as _, Result};
use nlb_tests::lab::{AgentConfig, Lab, VIP_V4, VIP_V6, nlb_binary};

use crate::interrupt;

/// Says how to enter and what to try; returns at Enter; Ctrl-C and SIGTERM end the program.
pub(crate) fn stay(lab: &Lab, config: &AgentConfig) -> Result<()> {
    println!("\nThe laboratory stays up. Enter a host from another terminal:");
    for host in lab.hosts() {
        println!("  {:<8} nsenter --net=/run/netns/{} bash", host.name(), host.netns());
    }
    let client = format!("nsenter --net=/run/netns/{}", lab.client().netns());
    let edge = format!("nsenter --net=/run/netns/{}", lab.edge().netns());
    let router = format!("nsenter --net=/run/netns/{}", lab.host("router").netns());
    let t1 = format!("nsenter --net=/run/netns/{}", lab.host("t1").netns());
    let (nlb, socket) = (nlb_binary()?.display().to_string(), config.socket.display());
    println!(
        "\nTo try:
  {client} curl http://{VIP_V4}/
  {client} curl http://[{VIP_V6}]/
  {client} dig +short TXT whoami.nlb.test @{VIP_V4}
  {edge} {nlb} target list --socket {socket}
  {router} tcpdump -nli any proto 4 or proto 41        the tunnel packets
  {t1} ip addr show dev lo
Files, configuration and logs: {}",
        lab.dir().display()
    );
    interrupt::is_welcome();
    if stdin().is_terminal() {
        println!("\nPress Enter or Ctrl-C to take it down.");
        stdin().read_line(&mut String::new()).context("cannot read the terminal")?;
        println!("Taking the laboratory down.");
    } else {
        println!("\nSend SIGTERM to {} to take it down.", std::process::id());
        loop {
            thread::park();
        }
    }
    Ok(())
}
