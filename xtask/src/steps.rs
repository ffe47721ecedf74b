//! Steps that are run one after another, all of them, with a line each and a summary.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How a step ended.
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// Not run, and why.
    Skipped(String),
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Outcome, Duration)>,
}

impl Steps {
    /// Runs a command as a step: it passes when the command succeeds.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || match command.status() {
            Ok(status) if status.success() => Ok(Outcome::Passed),
            Ok(_) => Ok(Outcome::Failed),
            Err(error) => {
                let program = command.get_program().display();
                println!("cannot run {program} (scripts/setup.sh --test installs what is missing): {error}");
                Ok(Outcome::Failed)
            }
        })
    }

    /// Runs a closure as a step.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        println!("-- {name}");
        let start = Instant::now();
        let outcome = work().with_context(|| format!("the step \"{name}\" could not run"))?;
        self.add(name, outcome, start.elapsed());
        Ok(())
    }

    /// Adds a step that was run elsewhere.
    pub(crate) fn add(&mut self, name: &str, outcome: Outcome, took: Duration) {
        self.done.push((name.to_owned(), outcome, took));
    }

    /// Prints the summary; true when no step failed.
    pub(crate) fn finish(self) -> bool {
        println!();
        for (name, outcome, took) in &self.done {
            let took = took.as_secs_f64();
            match outcome {
                Outcome::Passed => println!("  ok      {took:6.1} s  {name}"),
                Outcome::Failed => println!("  FAILED  {took:6.1} s  {name}"),
                Outcome::Skipped(reason) => println!("  skipped           {name}: {reason}"),
            }
        }
        self.done.iter().all(|(_, outcome, _)| !matches!(outcome, Outcome::Failed))
    }
}
