//! A process that runs until the test stops it, or is done with it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::wait::wait_until;

const PATIENCE: Duration = Duration::from_secs(5);

/// A process in the background, with its children. Dropping it ends them.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` as a process group of its own; what it prints goes to `log`, after what is there.
    pub(super) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log).context("cannot open a log")?;
        let errors = out.try_clone().context("cannot open a log")?;
        command.stdin(Stdio::null()).stdout(out).stderr(errors).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it not ended yet?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed so far, both streams.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it and its children a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        killpg(self.group(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Asks it to end (SIGTERM), and makes it end if it does not within five seconds.
    ///
    /// # Errors
    /// When it had to be made to.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let ended = self.wait(PATIENCE);
        if ended.is_err() {
            self.kill9()?;
        }
        ended
    }

    /// Ends it and its children as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        if self.is_running() {
            self.signal(Signal::SIGKILL)?;
        }
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        Ok(wait_until(&format!("{} ends", self.name), limit, || self.child.try_wait().ok().flatten())?)
    }

    /// Waits for `ready`; fails at once, with what it printed, when it ends before that.
    pub(super) fn wait_ready(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let what = format!("{} is ready", self.name);
        let alive = wait_until(&what, limit, || {
            let alive = self.is_running();
            (!alive || ready()).then_some(alive)
        });
        match alive {
            Ok(true) => Ok(()),
            Ok(false) => anyhow::bail!("{} ended at once; it said:\n{}", self.name, self.log()),
            Err(timeout) => Err(timeout).with_context(|| format!("{} said:\n{}", self.name, self.log())),
        }
    }

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
    }
}
