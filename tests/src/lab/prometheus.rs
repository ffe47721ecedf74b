//! Prometheus on a host of the laboratory, as Debian packages it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::host::Host;
use super::process::Process;

const READY: Duration = Duration::from_secs(30);

/// A running Prometheus, which scrapes one endpoint of its host every second.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
}

impl Prometheus {
    /// Where it answers on its host.
    pub const URL: &str = "http://127.0.0.1:9090";
    const PORT: u16 = 9090;

    /// Ends it: its port then refuses connections.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<()> {
        self.process.kill9().map(drop)
    }
}

impl Host {
    /// Starts a Prometheus on this host that scrapes what answers at this port of loopback, and waits until it answers.
    ///
    /// # Errors
    /// When it is not installed or does not start; the error has what it said.
    pub fn prometheus(&self, scraped: u16) -> Result<Prometheus> {
        let dir = self.dir().join("prometheus");
        fs::create_dir_all(&dir).context("cannot make Prometheus' folder")?;
        let file = dir.join("prometheus.yml");
        let configuration = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs: [{{ job_name: edge, static_configs: [{{ targets: ['127.0.0.1:{scraped}'] }}] }}]\n"
        );
        fs::write(&file, configuration).context("cannot configure Prometheus")?;
        let mut command = self.command("prometheus")?;
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
        command.arg(format!("--web.listen-address=0.0.0.0:{}", Prometheus::PORT)).arg("--log.level=warn");
        let process = self.spawn("prometheus", command);
        let mut process = process.context("is it there? `scripts/setup.sh --test` installs it")?;
        process.wait_ready(READY, || self.answers(Prometheus::PORT))?;
        Ok(Prometheus { process })
    }
}
