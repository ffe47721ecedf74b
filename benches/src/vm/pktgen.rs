//! The kernel's packet generator (its `Documentation/networking/pktgen.rst`), which is told what to do by lines of text. It
//! knows UDP only.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::balancer::{PORT, VIP_V4};

/// Where each network namespace has its own files; `/proc/net` shows the first thread's.
const FOLDER: &str = "/proc/thread-self/net/pktgen";
/// The first client.
const CLIENT: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
const CLIENT_PORT: u16 = 4_000;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// Flows: each has a client of its own.
    pub(super) flows: u32,
    /// Bytes of a frame without its checksum.
    pub(super) frame: u32,
    /// Whether each packet is of any flow, or of the next.
    pub(super) random: bool,
}

/// Is there one?
pub(super) fn is_here() -> bool {
    Path::new(FOLDER).exists()
}

/// Sends so many packets out of the interface of that name, to the machine of that MAC address. Runs in the interface's network
/// namespace.
pub(super) fn send(interface: &str, mac: &str, stream: &Stream, packets: u64) -> Result<()> {
    let thread = control("kpktgend_0");
    tell(&thread, "rem_device_all")?;
    tell(&thread, &format!("add_device {interface}"))?;
    let device = control(interface);
    for line in lines(mac, stream, packets) {
        tell(&device, &line)?;
    }
    tell(&control("pgctrl"), "start")?;
    let said = fs::read_to_string(&device).with_context(|| format!("cannot read {}", device.display()))?;
    let sent = sent(&said).with_context(|| format!("pktgen doesn't tell what it sent:\n{said}"))?;
    ensure!(sent == packets, "pktgen sent {sent} of {packets} packets:\n{said}");
    Ok(())
}

fn control(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn tell(file: &Path, line: &str) -> Result<()> {
    if let Err(error) = fs::write(file, format!("{line}\n")) {
        let said = fs::read_to_string(file).unwrap_or_default();
        bail!("pktgen refuses `{line}` in {}: {error}\n{said}", file.display());
    }
    Ok(())
}

fn lines(mac: &str, stream: &Stream, packets: u64) -> Vec<String> {
    // Random addresses are below the last, successive ones end with it.
    let beyond = if stream.random && stream.flows > 1 { stream.flows } else { stream.flows - 1 };
    let last = Ipv4Addr::from_bits(CLIENT.to_bits() + beyond);
    let mut lines = vec![
        format!("count {packets}"),
        "delay 0".to_owned(),
        format!("pkt_size {}", stream.frame),
        "flag NO_TIMESTAMP".to_owned(),
        format!("dst_mac {mac}"),
        format!("dst {VIP_V4}"),
        format!("udp_dst_min {PORT}"),
        format!("udp_dst_max {PORT}"),
        format!("udp_src_min {CLIENT_PORT}"),
        format!("udp_src_max {CLIENT_PORT}"),
        format!("src_min {CLIENT}"),
        format!("src_max {last}"),
    ];
    if stream.random {
        lines.push("flag IPSRC_RND".to_owned());
    }
    lines
}

/// The packets of `Result: OK: 1000(c990+d10) usec, 5000 (60byte,0frags)`.
fn sent(said: &str) -> Option<u64> {
    let line = said.split("Result: OK: ").nth(1)?;
    line.split("usec, ").nth(1)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pktgen_says_of_a_run_is_read_and_nothing_else() {
        let said = "Current:\n     pkts-sofar: 16384  errors: 0\n     flows: 0\n\
                    Result: OK: 104571(c104520+d50) usec, 16384 (60byte,0frags)\n  156679pps 75Mb/sec (75205920bps) errors: 0\n";
        assert_eq!(sent(said), Some(16_384));
        for other in ["", "Result: Idle\n", "Result: OK: count=16384\n"] {
            assert_eq!(sent(other), None, "{other}");
        }
    }

    #[test]
    fn a_stream_has_as_many_clients_as_flows() {
        for (flows, random, last) in [
            (1, true, "src_max 100.64.0.0"),
            (1_024, false, "src_max 100.64.3.255"),
            (1_024, true, "src_max 100.64.4.0"),
        ] {
            let lines = lines("02:00:00:00:00:01", &Stream { flows, frame: 60, random }, 1);
            assert!(lines.iter().any(|line| line == last), "{flows} flows, random {random}: {lines:?}");
        }
    }
}
