//! One host of the laboratory, and commands that run on it.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};

use super::netns::Netns;
use super::process::Process;

/// A host: a network namespace with one address of each family, and a folder for its files.
#[derive(Debug)]
pub struct Host {
    name: String,
    netns: Netns,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    dir: PathBuf,
}

impl Host {
    pub(super) fn create(id: &str, lab_dir: &Path, name: &str, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<Self> {
        let netns = Netns::create(&format!("{id}-{name}"))?;
        let dir = lab_dir.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { name: name.to_owned(), netns, v4, v6, dir })
    }

    /// Its name in the laboratory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its namespace, as `ip netns` lists it.
    #[must_use]
    pub fn netns(&self) -> &str {
        self.netns.name()
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        self.v4
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn v6(&self) -> Ipv6Addr {
        self.v6
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command that will run on this host.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn command(&self, program: &str) -> Result<Command> {
        self.netns.command(program)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it cannot be started. How it ended is in the answer.
    pub fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = A>) -> Result<Finished> {
        Finished::of(self.command(program)?.args(arguments))
    }

    /// Runs a command that must succeed, and gives what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails; the error has what it printed.
    pub fn check<A: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        self.run(program, arguments)?.success()
    }

    /// Starts a command in the background; what it prints is kept in the host's folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process> {
        Process::start(&format!("{name} on {}", self.name), command, &self.dir.join(format!("{name}.log")))
    }

    /// Runs a closure on a thread of this host: sockets that it opens are the host's.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.netns.inside(work)
    }

    /// Sets a sysctl, named with slashes: `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When the kernel has none of that name or refuses the value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        self.inside(|| fs::write(Path::new("/proc/sys").join(name), value))?
            .with_context(|| format!("cannot set {name} to {value} on {}", self.name))
    }

    /// Runs `ip` with a line of arguments.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, line: &str) -> Result<String> {
        self.check("ip", line.split_whitespace())
    }
}

/// A command that ran to its end.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Finished {
    pub(super) fn of(command: &mut Command) -> Result<Self> {
        let shown = shown(command);
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{shown}`"))?;
        Ok(Self {
            command: shown,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// What it printed, if it succeeded.
    ///
    /// # Errors
    /// When it failed; the error has what it printed.
    pub fn success(self) -> Result<String> {
        if !self.status.success() {
            bail!("`{}` failed ({}):\n{}{}", self.command, self.status, self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
