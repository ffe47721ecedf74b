//! An instance's process: started in its namespace, found again by its number and the moment it began, ended.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill as signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::sleep;

use super::record::Record;
use super::settings::ProcessSettings;
use crate::providers::ProviderError;

/// Time between two looks at a process that is to end.
const LOOK: Duration = Duration::from_millis(20);

/// A process that was killed has so long to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A process, told from others that get its number later by when it began and in which run of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    pid: i32,
    /// In the kernel's ticks since it was started (proc(5), field 22 of `stat`).
    began: u64,
    /// The kernel's name for its run.
    boot: String,
}

impl Server {
    /// Whether it still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.boot == boot() && began(self.pid) == Some(self.began)
    }

    /// Asks it and its children to end, and makes them when they take longer than `patience`.
    pub(super) async fn end(&self, patience: Duration) {
        for (order, patience) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, GONE)] {
            if !self.is_alive() {
                return;
            }
            // It leads a group of its own. One that ended meanwhile is what is wanted.
            killpg(Pid::from_raw(self.pid), order).unwrap_or_default();
            let until = Instant::now() + patience;
            while self.is_alive() && Instant::now() < until {
                sleep(LOOK).await;
            }
        }
    }
}

/// Starts the command of `settings` in the namespace of that name, as the leader of a session: it outlives the agent.
pub(super) fn start(
    namespace: &str,
    record: &Record,
    settings: &ProcessSettings,
    log: File,
) -> Result<Server, ProviderError> {
    let shown = settings.command.join(" ");
    let failed = |error: std::io::Error| ProviderError::Unavailable {
        what: format!("start `{shown}` in namespace {namespace}"),
        reason: error.to_string(),
    };
    let errors = log.try_clone().map_err(failed)?;
    let (address, port) = (record.address.to_string(), record.launch.template.port.to_string());
    let words = settings.command.iter().map(|word| word.replace("{address}", &address).replace("{port}", &port));
    // Both replace themselves by what they run, so that the number stays the same.
    let mut command = Command::new("setsid");
    command.args(["ip", "netns", "exec", namespace]).args(words);
    command.envs(&settings.environment);
    command.env("NLB_ADDRESS", &address).env("NLB_PORT", &port);
    command.env("NLB_GROUP", record.launch.group.as_str()).env("NLB_INSTANCE", &record.launch.token.0);
    command.env("NLB_ZONE", record.launch.zone.as_ref().map_or("", |zone| zone.as_str()));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // The runtime takes in what became of it once it ends.
    let child = command.spawn().map_err(failed)?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    // One that has ended by now is seen not to live.
    Ok(Server { pid, began: began(pid).unwrap_or_default(), boot: boot() })
}

/// Kills processes, and waits until they are gone.
pub(super) async fn kill(pids: Vec<Pid>) {
    for pid in &pids {
        signal(*pid, Signal::SIGKILL).unwrap_or_default();
    }
    let until = Instant::now() + GONE;
    while pids.iter().any(|pid| began(pid.as_raw()).is_some()) && Instant::now() < until {
        sleep(LOOK).await;
    }
}

/// When a process began, if it runs; one that ended and was not yet taken note of does not.
fn began(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name, which is in parentheses and may have some of its own: state, then 18 fields, then the moment.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let began = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(began)
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_process() -> Server {
        let pid = Pid::this().as_raw();
        Server { pid, began: began(pid).expect("it runs"), boot: boot() }
    }

    #[test]
    fn a_process_that_runs_is_told_from_another_with_its_number() {
        let own = this_process();
        assert!(own.is_alive());
        assert!(!Server { began: own.began + 1, ..own.clone() }.is_alive(), "another process has the number now");
        assert!(!Server { boot: "another".to_owned(), ..own.clone() }.is_alive(), "the machine was started again");
        assert!(!Server { pid: i32::MAX, ..own }.is_alive());
    }

    #[tokio::test]
    async fn one_that_ended_and_nobody_waited_for_does_not_run() {
        let child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let until = Instant::now() + GONE;
        while began(pid).is_some() && Instant::now() < until {
            sleep(LOOK).await;
        }
        assert_eq!(began(pid), None);
        assert!(fs::exists(format!("/proc/{pid}")).unwrap(), "it is still there, as a zombie");
        drop(child);
    }
}
