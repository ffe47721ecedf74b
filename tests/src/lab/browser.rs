//! curl on a host: many small requests, or one large file.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Result, ensure};

use super::host::Host;
use super::process::Process;

/// What became of many requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests answered, by the name of the target.
    pub answered: BTreeMap<String, usize>,
    /// What curl said about those that were not.
    pub failed: Vec<String>,
    /// The client addresses that targets saw.
    pub clients: BTreeMap<String, usize>,
}

impl Tally {
    /// How many were answered.
    #[must_use]
    pub fn total(&self) -> usize {
        self.answered.values().sum()
    }
}

/// A transfer by curl in the background.
#[derive(Debug)]
pub struct Transfer {
    /// curl's process.
    pub process: Process,
}

impl Host {
    /// Fetches `/` of `server` `count` times with curl, `parallel` at a time, each on a connection of its own.
    ///
    /// # Errors
    /// When curl cannot be run. Failed requests are in the tally.
    pub fn requests(&self, server: IpAddr, count: usize, parallel: usize) -> Result<Tally> {
        self.requests_to(&format!("http://{}/", literal(server)), count, parallel)
    }

    /// Fetches a URL `count` times; see [`Host::requests`].
    ///
    /// # Errors
    /// When curl cannot be run. Failed requests are in the tally.
    pub fn requests_to(&self, url: &str, count: usize, parallel: usize) -> Result<Tally> {
        let parallel = parallel.to_string();
        let done = self.run(
            "curl",
            [
                "--silent",
                "--no-progress-meter",
                "--insecure",
                "--parallel",
                "--parallel-immediate",
                "--parallel-max",
                &parallel,
                "--connect-timeout",
                "3",
                "--max-time",
                "10",
                "--write-out",
                "%{stderr}%{http_code} %{errormsg}\n",
                &format!("{url}?[1-{count}]"),
            ],
        )?;
        let mut tally = Tally::default();
        for line in done.stdout.lines() {
            let mut words = line.split_whitespace();
            if let (Some(target), Some(client)) = (words.next(), words.next()) {
                *tally.answered.entry(target.to_owned()).or_default() += 1;
                *tally.clients.entry(client.to_owned()).or_default() += 1;
            }
        }
        let fine = |line: &&str| line.starts_with("200 ");
        tally.failed = done.stderr.lines().filter(|line| !fine(line) && !line.is_empty()).map(str::to_owned).collect();
        // A curl that crashed would leave fewer lines than requests.
        let seen = tally.total() + tally.failed.len();
        if seen < count {
            tally.failed.push(format!("{} requests without a word from curl ({})", count - seen, done.status));
        }
        Ok(tally)
    }

    /// Downloads a URL to a file.
    ///
    /// # Errors
    /// When curl fails.
    pub fn download(&self, url: &str, to: &Path) -> Result<()> {
        let to = to.to_string_lossy();
        self.check("curl", ["--silent", "--show-error", "--fail", "--insecure", "--max-time", "120", "-o", &to, url])?;
        Ok(())
    }

    /// Starts a download at a limited rate (curl's notation: `20M` is 20 MiB/s), so that something can happen during it.
    ///
    /// # Errors
    /// When curl cannot be started.
    pub fn slow_download(&self, url: &str, to: &Path, rate: &str) -> Result<Transfer> {
        let mut command = self.command("curl")?;
        command.args(["--silent", "--show-error", "--fail", "--insecure", "--max-time", "120", "--limit-rate", rate]);
        command.arg("-o").arg(to).arg(url);
        Ok(Transfer { process: self.spawn("download", command)? })
    }

    /// Uploads a file with PUT.
    ///
    /// # Errors
    /// When curl fails.
    pub fn upload(&self, file: &Path, url: &str) -> Result<()> {
        let file = file.to_string_lossy();
        let put =
            ["--silent", "--show-error", "--fail", "--insecure", "--max-time", "120", "-T", &file, "-o", "/dev/null"];
        self.check("curl", put.into_iter().chain([url]))?;
        Ok(())
    }
}

/// Are two files the same, byte for byte?
///
/// # Errors
/// When they are not, or one cannot be read.
pub fn ensure_same(one: &Path, other: &Path) -> Result<()> {
    let (left, right) = (fs::read(one)?, fs::read(other)?);
    ensure!(
        left == right,
        "{} ({} bytes) and {} ({} bytes) differ",
        one.display(),
        left.len(),
        other.display(),
        right.len()
    );
    Ok(())
}

/// An address as it stands in a URL.
#[must_use]
pub fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
