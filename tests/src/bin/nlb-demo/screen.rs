//! What the demonstration prints: steps with a mark, bars, a summary. Colours only on a terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Instant;

use anyhow::Result;

const BAR: usize = 40;

/// The screen, and what came of the steps so far.
pub(crate) struct Screen {
    colours: bool,
    passed: usize,
    failed: Vec<String>,
    start: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let colours = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, passed: 0, failed: Vec::new(), start: Instant::now() }
    }

    /// A heading.
    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{}", self.paint("1", title));
    }

    /// Text under a step.
    pub(crate) fn text(&self, text: &str) {
        for line in text.lines() {
            println!("      {}", self.paint("2", line));
        }
    }

    /// One step: its work says what was seen, or what went wrong. Gives what the work gave, if it went well.
    pub(crate) fn step<T>(&mut self, title: &str, work: impl FnOnce() -> Result<(T, String)>) -> Option<T> {
        if self.colours {
            print!("  … {title}");
            // A line that shows late is no reason to stop.
            stdout().flush().unwrap_or_default();
        }
        let start = Instant::now();
        let done = work();
        let took = start.elapsed().as_secs_f64();
        let back = if self.colours { "\r\x1b[K" } else { "" };
        match done {
            Ok((value, seen)) => {
                self.passed += 1;
                let seen = if seen.is_empty() { seen } else { format!(": {seen}") };
                println!(
                    "{back}  {} {title}{seen} {}",
                    self.paint("32", "✓"),
                    self.paint("2", &format!("({took:.1} s)"))
                );
                Some(value)
            }
            Err(error) => {
                println!("{back}  {} {title}: {error:#}", self.paint("31", "✗"));
                self.failed.push(format!("{title}: {error:#}"));
                None
            }
        }
    }

    /// Counts per target as bars.
    pub(crate) fn bars(&self, counts: &BTreeMap<String, usize>) {
        let most = counts.values().copied().max().unwrap_or(0).max(1);
        for (name, count) in counts {
            let filled = count * BAR / most;
            let bar = format!("{}{}", "█".repeat(filled), "·".repeat(BAR - filled));
            println!("      {name}  {}  {count}", self.paint("36", &bar));
        }
    }

    /// The end: true when every step went well.
    pub(crate) fn summary(&self) -> bool {
        let took = self.start.elapsed().as_secs();
        println!();
        if self.failed.is_empty() {
            let all = format!("All {} steps as promised, in {took} s.", self.passed);
            println!("{}", self.paint("1;32", &all));
        } else {
            let some = format!("{} of {} steps failed:", self.failed.len(), self.failed.len() + self.passed);
            println!("{}", self.paint("1;31", &some));
            for failure in &self.failed {
                println!("  {} {failure}", self.paint("31", "✗"));
            }
        }
        self.failed.is_empty()
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
