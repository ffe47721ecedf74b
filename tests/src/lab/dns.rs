//! A DNS server on a host (dnsmasq) that answers with the target's name, over UDP and TCP.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::host::Host;
use super::process::Process;

const READY: Duration = Duration::from_secs(10);

/// A running DNS server: the TXT record of [`Dns::NAME`] is the host's name.
#[derive(Debug)]
pub struct Dns {
    process: Process,
}

impl Dns {
    /// The name to ask for.
    pub const NAME: &str = "whoami.nlb.test";

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Host {
    /// Starts a DNS server on port 53 of every address of this host.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn dns(&self) -> Result<Dns> {
        let mut command = self.command("dnsmasq")?;
        command.args([
            "--keep-in-foreground",
            "--log-facility=-",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--user=root",
        ]);
        command.args(["--no-resolv", "--no-hosts", "--port=53"]);
        command.arg(format!("--txt-record={},{}", Dns::NAME, self.name()));
        let mut process = self.spawn("dnsmasq", command)?;
        process.wait_ready(READY, || self.answers(53))?;
        Ok(Dns { process })
    }

    /// Asks the DNS server at `server` for its name, by UDP, once.
    ///
    /// # Errors
    /// When there is no answer within a second; the error has what `dig` said.
    pub fn dig(&self, server: std::net::IpAddr) -> Result<String> {
        let mut answers = self.digs(server, 1)?;
        answers.pop().context("dig said nothing")
    }

    /// Asks so many times, from a port of its own each time.
    ///
    /// # Errors
    /// As for [`dig`](Self::dig).
    pub fn digs(&self, server: std::net::IpAddr, times: usize) -> Result<Vec<String>> {
        let server = format!("@{server}");
        let question = ["+short", "+tries=1", "+timeout=1", "TXT", Dns::NAME, &server];
        let answers = self.check("dig", std::iter::repeat_n(question, times).flatten())?;
        Ok(answers.lines().map(|answer| answer.trim_matches('"').to_owned()).collect())
    }
}
