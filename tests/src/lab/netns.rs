//! Network namespaces under `/run/netns`, where `ip netns` and `nsenter` find them too.
//!
//! Only the network is a host's own. Files are shared, above all `/sys/fs/bpf`, which `ip netns exec` would hide.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{process, thread};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::host::Finished;
use super::wait::wait_until;

pub(super) const ROOT: &str = "/run/netns";

/// A named network namespace.
#[derive(Debug)]
pub(super) struct Netns {
    name: String,
    path: PathBuf,
}

impl Netns {
    pub(super) fn create(name: &str) -> Result<Self> {
        Finished::of(Command::new("ip").args(["netns", "add", name]))?.success()?;
        Ok(Self::existing(name))
    }

    pub(super) fn existing(name: &str) -> Self {
        Self { name: name.to_owned(), path: Path::new(ROOT).join(name) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run in this namespace.
    pub(super) fn command(&self, program: &str) -> Result<Command> {
        let namespace = self.open()?;
        let mut command = Command::new(program);
        let enter = move || {
            // Signals that this process holds back for itself must not be held back from the command.
            SigSet::empty().thread_set_mask()?;
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(())
        };
        // SAFETY: the closure is two system calls on what it owns; nothing is allocated between fork and exec.
        unsafe {
            command.pre_exec(enter);
        }
        Ok(command)
    }

    /// Runs a closure on a thread of this namespace: sockets that it opens belong to this host.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = self.open()?;
        thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET)?;
                Ok::<_, nix::Error>(work())
            });
            match worker.join() {
                Ok(done) => done.with_context(|| format!("cannot enter {}", self.name)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Ends the processes of this namespace and removes it with its links.
    pub(super) fn remove(&self) -> Result<()> {
        let gone = wait_until(&format!("the processes in {} end", self.name), Duration::from_secs(10), || {
            let left = self.processes();
            for pid in &left {
                // One that ended since it was listed is what is wanted.
                if kill(*pid, Signal::SIGKILL).is_err() {
                    continue;
                }
            }
            left.is_empty().then_some(())
        });
        Finished::of(Command::new("ip").args(["netns", "delete", &self.name]))?.success()?;
        Ok(gone?)
    }

    /// The ids of the processes in this namespace.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes().into_iter().map(|pid| pid.as_raw().unsigned_abs()).collect()
    }

    fn processes(&self) -> Vec<Pid> {
        let Ok(own) = fs::metadata(&self.path) else { return Vec::new() };
        let in_here = |pid: Pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino()))
        };
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
            .filter(|pid| pid.as_raw().unsigned_abs() != process::id() && in_here(*pid))
            .collect()
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("cannot open the namespace {}", self.name))
    }
}
