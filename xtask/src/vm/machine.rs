//! A run of the emulator: what the guest prints goes to this terminal and into files; it ends, or is ended at its limit.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::kernel::Kernel;

const EMULATOR: &str = "qemu-system-x86_64";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A machine that is about to run.
pub(super) struct Machine<'a> {
    /// What it boots.
    pub(super) kernel: &'a Kernel,
    /// Its first file system.
    pub(super) image: &'a Path,
    /// Where its logs go.
    pub(super) logs: &'a Path,
    /// What stands before each line that it prints.
    pub(super) label: &'a str,
    /// When it is ended, whatever it is at.
    pub(super) limit: Duration,
    /// What its kernel is told at the start, besides what it needs.
    pub(super) parameters: &'a str,
    /// What its time is.
    pub(super) clock: Clock,
}

/// What passes for time within a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Time itself, with what else this machine is at.
    Real,
    /// Instructions, each of which takes four nanoseconds: the same for the same work, whatever this machine is at. While there
    /// is nothing to do, time jumps to when there is.
    Instructions,
}

/// What a machine left.
pub(super) struct Ended {
    /// What the job wrote to `/dev/ttyS2`, whole only if `finished`.
    pub(super) report: String,
    /// The job said that it was done.
    pub(super) finished: bool,
    /// How long it ran, if it was ended at its limit.
    pub(super) overdue: Option<Duration>,
    /// What the kernel said.
    pub(super) kernel_log: PathBuf,
}

/// The line with which `guest/init.sh` ends the report.
pub(super) const FINISHED: &str = "finished";

impl Machine<'_> {
    /// Runs it.
    pub(super) fn run(&self) -> Result<Ended> {
        let (kernel_log, report) = (self.logs.join("kernel.log"), self.logs.join("report"));
        let file = |path: &Path| format!("file:{}", path.display());
        let mut command = Command::new(EMULATOR);
        // One processor: the emulator's threads see code that another of them changes too late, and kernels change
        // theirs whenever an XDP program is attached.
        command.args(["-accel", "tcg", "-smp", "1", "-cpu", "max", "-m", "3G"]);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        if self.clock == Clock::Instructions {
            command.args(["-icount", "shift=2,sleep=off"]);
        }
        // In this order they are ttyS0 to ttyS2 of the guest.
        command.args(["-serial", "stdio", "-serial", &file(&kernel_log), "-serial", &file(&report)]);
        command.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(self.image);
        // A machine that has to wait for its processor is too slow for the kernel's check of its timer, which would stop it.
        command.args(["-append", &format!("console=ttyS1 panic=-1 no_timer_check {}", self.parameters)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let start = Instant::now();
        let mut emulator =
            command.spawn().with_context(|| format!("cannot run {EMULATOR}; scripts/setup.sh --test installs it"))?;
        let output = emulator.stdout.take().context("the emulator has no output")?;
        let mut console = File::create(self.logs.join("console.log"))?;
        let printing = {
            let label = self.label.to_owned();
            thread::spawn(move || print(&label, start, output, &mut console))
        };
        let overdue = loop {
            if emulator.try_wait()?.is_some() {
                break None;
            }
            if start.elapsed() > self.limit {
                emulator.kill()?;
                emulator.wait()?;
                break Some(start.elapsed());
            }
            thread::sleep(LOOK_EVERY);
        };
        if let Ok(printed) = printing.join() {
            printed.context("cannot keep what the machine printed")?;
        }
        let report = fs::read_to_string(&report).unwrap_or_default().replace('\r', "");
        let finished = report.lines().last() == Some(FINISHED);
        Ok(Ended { report, finished, overdue, kernel_log })
    }
}

/// Each line with the second in which it came: so one sees what takes long.
fn print(label: &str, start: Instant, output: ChildStdout, console: &mut File) -> std::io::Result<()> {
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        println!("{label} {:4} s | {text}", start.elapsed().as_secs());
        writeln!(console, "{text}")?;
        line.clear();
    }
    Ok(())
}

impl Ended {
    /// Says what is known of a machine that did not do as it should: how it ended, and its kernel's last words.
    pub(super) fn explain(&self) {
        match self.overdue {
            Some(after) => println!("The machine was ended after {} s, its time limit.", after.as_secs()),
            None if self.finished => println!("The machine ran to its end."),
            None => println!("The machine ended before its job was done."),
        }
        let log = fs::read(&self.kernel_log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        println!("Its kernel's last words (all of them: {}):", self.kernel_log.display());
        for line in &lines[lines.len().saturating_sub(40)..] {
            println!("  {line}");
        }
    }
}
