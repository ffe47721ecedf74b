//! What node_exporter says of its host: CPU time and memory.

use std::net::SocketAddr;
use std::time::Duration;

use super::exposition::{Sample, samples};
use super::{ScrapeError, first_line};
use crate::health::{Document, Prober};
use crate::model::HttpUrl;

/// Only the two collectors that are needed: a page of a few kilobytes.
const PATH: &str = "/metrics?collect%5B%5D=cpu&collect%5B%5D=meminfo";

/// Bytes of a page. An exporter that does not know `collect[]` gives all it has.
const LONGEST: usize = 4 << 20;

const CPU: &str = "node_cpu_seconds_total";
const TOTAL: &str = "node_memory_MemTotal_bytes";
const AVAILABLE: &str = "node_memory_MemAvailable_bytes";

/// A host at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// What its CPUs did since it was started.
    pub cpu: CpuTime,
    /// The share of its memory in use, 0 to 100 %.
    pub memory: f64,
}

/// Seconds of all CPUs of a host together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// In the mode `idle`.
    pub idle: f64,
    /// In all modes.
    pub total: f64,
}

impl CpuTime {
    /// The share of CPU time in use since `before`, 0 to 100 %: what was not idle. `None` when time stood still, or began anew.
    pub fn share_since(self, before: Self) -> Option<f64> {
        let (idle, total) = (self.idle - before.idle, self.total - before.total);
        // The kernel's count of idle time may step back by a tick.
        (total > 0.0).then(|| 100.0 * (1.0 - (idle / total).clamp(0.0, 1.0)))
    }
}

impl Usage {
    /// Reads a page of node_exporter.
    pub fn parse(page: &str) -> Result<Self, ScrapeError> {
        let read = samples(page, &[CPU, TOTAL, AVAILABLE])?;
        let cpus = || read.iter().filter(|sample| sample.name == CPU);
        if cpus().next().is_none() {
            return Err(ScrapeError::Missing { name: CPU, collector: "cpu" });
        }
        let memory = |name| {
            let found = read.iter().find(|sample| sample.name == name && sample.value.is_finite());
            found.map(|sample| sample.value).ok_or(ScrapeError::Missing { name, collector: "meminfo" })
        };
        let seconds = |wanted: &dyn Fn(&Sample<'_>) -> bool| {
            cpus().filter(|sample| wanted(sample)).map(|sample| sample.value).sum::<f64>()
        };
        let cpu = CpuTime { idle: seconds(&|sample| sample.label("mode") == "idle"), total: seconds(&|_| true) };
        let (total, available) = (memory(TOTAL)?, memory(AVAILABLE)?);
        Ok(Self { cpu, memory: 100.0 * (1.0 - (available / total.max(1.0)).clamp(0.0, 1.0)) })
    }
}

/// The exporter of a host.
#[derive(Clone, Copy, Debug)]
pub struct NodeExporter<'a> {
    /// Where it answers.
    pub socket: SocketAddr,
    /// What asks.
    pub prober: &'a Prober,
}

impl NodeExporter<'_> {
    /// The host as it is. The answer has to be whole within `timeout`.
    pub async fn usage(&self, timeout: Duration) -> Result<Usage, ScrapeError> {
        let server = HttpUrl::from(self.socket);
        let document = Document { server: &server, path: PATH, verify: false, longest: LONGEST };
        let answer = self.prober.fetch(&document, timeout).await?;
        if answer.status != 200 {
            return Err(ScrapeError::Status { status: answer.status, said: first_line(&answer.body) });
        }
        Usage::parse(&String::from_utf8_lossy(&answer.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As node_exporter 1.5 writes it.
    const PAGE: &str = r#"# HELP node_cpu_guest_seconds_total Seconds the CPUs spent in guests (VMs) for each mode.
# TYPE node_cpu_guest_seconds_total counter
node_cpu_guest_seconds_total{cpu="0",mode="user"} 7
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 600
node_cpu_seconds_total{cpu="0",mode="user"} 100.25
node_cpu_seconds_total{cpu="1",mode="idle"} 200
node_cpu_seconds_total{cpu="1",mode="iowait"} 99.75
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 6.0e+09
node_memory_MemTotal_bytes 8e+09
node_scrape_collector_success{collector="cpu"} 1
"#;

    #[test]
    fn a_page_gives_the_time_of_all_cpus_and_the_share_of_memory() {
        let usage = Usage::parse(PAGE).expect("a page");
        assert_eq!(usage, Usage { cpu: CpuTime { idle: 800.0, total: 1000.0 }, memory: 25.0 });
        for (without, name) in [("cpu_seconds", CPU), ("MemTotal", TOTAL), ("MemAvailable", AVAILABLE)] {
            let page: String =
                PAGE.lines().filter(|line| !line.contains(without)).map(|line| format!("{line}\n")).collect();
            let error = Usage::parse(&page).expect_err(without);
            assert!(matches!(error, ScrapeError::Missing { name: missing, .. } if missing == name), "{error}");
        }
        assert!(matches!(Usage::parse("<html>").expect_err("no page"), ScrapeError::Missing { .. }));
    }

    #[test]
    fn what_was_not_idle_was_in_use() {
        let at = |idle, total| CpuTime { idle, total };
        for (before, after, expected) in [
            (at(800.0, 1000.0), at(815.0, 1020.0), Some(25.0)),
            (at(800.0, 1000.0), at(820.0, 1020.0), Some(0.0)),
            (at(800.0, 1000.0), at(800.0, 1020.0), Some(100.0)),
            (at(800.0, 1000.0), at(799.99, 1020.0), Some(100.0)),
            (at(800.0, 1000.0), at(800.0, 1000.0), None),
            (at(800.0, 1000.0), at(5.0, 10.0), None),
        ] {
            assert_eq!(after.share_since(before), expected, "{before:?} {after:?}");
        }
    }
}
