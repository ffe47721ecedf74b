//! The kernel's thread that polls an interface (threaded NAPI).

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::Pid;
use nlb_tests::segment::Host;

/// How long the kernel may take to start one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets a thread poll an interface of a host, or nobody but who sends to it. The interface's name is to be a rare one:
/// threads are listed without their network namespaces.
pub(crate) fn set(host: &Host, interface: &str, threaded: bool) -> Result<Option<Pid>> {
    // sysfs shows the network namespace that it was mounted in.
    let line = format!("echo {} > /sys/class/net/{interface}/threaded", u8::from(threaded));
    let done = Command::new("ip").args(["netns", "exec", host.name(), "sh", "-c", &line]).status();
    ensure!(done.context("cannot run ip")?.success(), "cannot set {interface} of {} threaded", host.name());
    threaded.then(|| of(interface)).transpose()
}

/// The thread of the interface of that name, which is there soon after it was asked for.
fn of(interface: &str) -> Result<Pid> {
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

/// Lets a thread never interrupt another one: it runs when the other's turn is over.
pub(crate) fn wait_for_others(thread: Pid) -> Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel only reads `parameters`, which outlives the call.
    let refused = unsafe { libc::sched_setscheduler(thread.as_raw(), libc::SCHED_BATCH, &raw const parameters) } != 0;
    ensure!(!refused, "cannot let thread {thread} wait for others: {}", std::io::Error::last_os_error());
    Ok(())
}

/// The CPU time of a thread.
pub(crate) fn time(thread: Pid) -> Result<Duration> {
    let file = format!("/proc/{thread}/schedstat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.with_context(|| format!("no time in {file}: {text}"))?))
}
