//! The kernel's thread that polls an interface (threaded NAPI).

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::unistd::Pid;

/// How long the kernel may take to start one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread of the interface of that name, which is there soon after it was asked for. The name is to be a rare one: threads
/// are listed without their network namespaces.
pub(super) fn of(interface: &str) -> Result<Pid> {
    let begun = Instant::now();
    let name = format!("napi/{interface}-");
    while begun.elapsed() < PATIENCE {
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            // Processes come and go while the list is read.
            let Ok(comm) = fs::read_to_string(path.join("comm")) else { continue };
            if comm.starts_with(&name) {
                let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                return number.map(Pid::from_raw).with_context(|| format!("no number: {}", path.display()));
            }
        }
        sleep(Duration::from_millis(5));
    }
    bail!("no thread of the kernel polls {interface}")
}

/// The CPU time of a thread.
pub(super) fn time(thread: Pid) -> Result<Duration> {
    let file = format!("/proc/{thread}/schedstat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.with_context(|| format!("no time in {file}: {text}"))?))
}
