//! iperf3: bulk traffic that checks itself.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::host::Host;
use super::process::Process;

const READY: Duration = Duration::from_secs(10);

/// A running `iperf3 -s` on port 5201.
#[derive(Debug)]
pub struct IperfServer {
    _process: Process,
}

/// What an iperf3 client measured.
#[derive(Debug, Clone, Copy)]
pub struct IperfReport {
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Bytes that the receiver had counted when the sender was done: a little less.
    pub bytes_received: u64,
    /// Bits per second, as the receiver saw them.
    pub bits_per_second: f64,
    /// TCP segments that were sent again.
    pub retransmits: u64,
}

impl Host {
    /// Starts an iperf3 server on this host.
    ///
    /// # Errors
    /// When it does not start; the error has what it said.
    pub fn iperf_server(&self) -> Result<IperfServer> {
        let mut command = self.command("iperf3")?;
        command.args(["--server", "--forceflush"]);
        let mut process = self.spawn("iperf3", command)?;
        // A connection that asks nothing would keep the server from its next client.
        let listening = || {
            self.run("ss", ["-Hltn", "sport", "=", ":5201"]).is_ok_and(|listening| !listening.stdout.trim().is_empty())
        };
        process.wait_ready(READY, listening)?;
        Ok(IperfServer { _process: process })
    }

    /// Sends `megabytes` by TCP to the iperf3 server at `server`; `reverse`: receives them.
    ///
    /// iperf3 has a control connection beside that of the data: the server must be one and the same for both, so a
    /// listener in between needs one target or affinity by source address.
    ///
    /// # Errors
    /// When the transfer does not end whole within a minute; the error has iperf3's.
    pub fn iperf(&self, server: IpAddr, megabytes: u32, reverse: bool) -> Result<IperfReport> {
        let (server, size) = (server.to_string(), format!("{megabytes}M"));
        let mut arguments =
            vec!["60", "iperf3", "--client", &server, "--bytes", &size, "--json", "--connect-timeout", "3000"];
        if reverse {
            arguments.push("--reverse");
        }
        let done = self.run("timeout", arguments)?;
        let report: Value = serde_json::from_str(&done.stdout).with_context(|| format!("iperf3 said: {done:?}"))?;
        if let Some(error) = report["error"].as_str() {
            bail!("iperf3: {error}");
        }
        let number = |path: &str| report.pointer(path).with_context(|| format!("iperf3's report lacks {path}"));
        Ok(IperfReport {
            bytes_sent: number("/end/sum_sent/bytes")?.as_u64().context("bytes")?,
            bytes_received: number("/end/sum_received/bytes")?.as_u64().context("bytes")?,
            bits_per_second: number("/end/sum_received/bits_per_second")?.as_f64().context("bits per second")?,
            retransmits: report.pointer("/end/sum_sent/retransmits").and_then(Value::as_u64).unwrap_or(0),
        })
    }
}
