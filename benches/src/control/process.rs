//! The agent as a process of its own: this program once more, with an option that makes it nothing but the agent.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use nlb_tests::segment::Host;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running agent. Dropping it ends it; its pins stay.
pub(super) struct Agent {
    child: Child,
    began: Instant,
    log: Receiver<(Instant, String)>,
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// All that is resident.
    pub(super) resident: u64,
    /// Of that, the kernel's tables that it has mapped.
    pub(super) tables: u64,
}

impl Agent {
    /// Starts it on that host.
    pub(super) fn start(edge: &Host, file: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--agent").arg(file).env_remove("NLB_LOG").env_remove("NLB_TRACES");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = edge.inside(|| command.spawn()).context("cannot start the agent")?;
        let lines = child.stderr.take().context("its log is piped")?;
        let (said, log) = channel();
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if said.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, began, log })
    }

    /// When it was started.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// When it first says, from now on, something with these words in it.
    pub(super) fn says(&self, words: &str) -> Result<Instant> {
        self.says_times(words, 1)
    }

    /// When it says so for the last of so many times.
    pub(super) fn says_times(&self, words: &str, times: usize) -> Result<Instant> {
        let (asked, mut heard, mut last) = (Instant::now(), 0, String::new());
        loop {
            let left = PATIENCE.saturating_sub(asked.elapsed());
            let Ok((at, line)) = self.log.recv_timeout(left) else {
                bail!("the agent said \"{words}\" {heard} of {times} times, and last: {last}");
            };
            heard += usize::from(line.contains(words));
            if heard == times {
                return Ok(at);
            }
            last = line;
        }
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid()?, signal)?)
    }

    /// Ends it, and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// Processor time that it took so far, its own and the kernel's on its behalf.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // proc(5): fields 14 and 15, counted from behind the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u32>().ok());
        let ticks = ticks(14).zip(ticks(15)).map(|(user, system)| user + system).context("no times in its stat")?;
        let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the system has no ticks")?;
        Ok(Duration::from_secs_f64(f64::from(ticks) / f64::from(u32::try_from(per_second)?)))
    }

    /// What it has in memory now.
    pub(super) fn memory(&self) -> Result<Memory> {
        let (mut memory, mut is_table) = (Memory::default(), false);
        for line in self.read("smaps")?.lines() {
            // proc(5): a mapping's first line begins with its addresses, the others with a name and a colon.
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("Rss:"), Some(kilobytes)) => {
                    let bytes = kilobytes.parse::<u64>()? * 1_024;
                    memory.resident += bytes;
                    memory.tables += if is_table { bytes } else { 0 };
                }
                (Some(first), _) if !first.ends_with(':') => is_table = line.contains("bpf-map"),
                _ => {}
            }
        }
        Ok(memory)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}: has the agent ended?"))
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
