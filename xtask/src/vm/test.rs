//! `cargo xtask vm test`: the tests of the kernel programs, on other kernels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::image::Image;
use super::kernel::Kernel;
use super::machine::{Clock, Ended, Machine};
use super::{KERNEL, cargo};
use crate::steps::{Outcome, Steps};

const JOB: &[u8] = include_bytes!("guest/test.sh");
/// What guards a processor that speculates costs an emulated one, which doesn't, a seventh of its time. What the kernel's verifier
/// does against speculation stays.
const UNGUARDED: &str = "nopti nospectre_v2 retbleed=off init_on_alloc=0";
/// What tests run, besides what busybox has.
const TOOLS: [&str; 7] = ["busybox", "ip", "ethtool", "setpriv", "ping", "bash", "jq"];
/// The beginnings of the names of tests that need nothing but a kernel; the laboratory's need servers.
const OURS: [&str; 6] =
    ["packets_", "dataplane_kernel", "second_chance", "target_agent", "netlink_ways", "pktgen_script"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A series of Debian's kernels to test on, or a variant of one (6.12, 6.1-cloud); may be given several times.
    #[arg(long = "kernel", value_name = "SERIES", default_values_t = [KERNEL.to_owned()])]
    kernels: Vec<String>,
    /// A machine is ended after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2400)]
    limit: u64,
    /// Only these test programs; all that need no servers when none is named.
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
}

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    name: String,
    path: PathBuf,
    /// How many tests it has.
    tests: usize,
}

/// How a test program ended.
#[derive(Debug, PartialEq, Eq)]
struct Ran<'a> {
    name: &'a str,
    code: i32,
    seconds: u64,
    summary: &'a str,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<bool> {
    // As the test runner builds them, so that nothing is built twice.
    let nlb = cargo::build(root, "build --bins")?.programs;
    let nlb = nlb.get("nlb").context("cargo built no nlb")?;
    let programs = chosen(cargo::build(root, "test --no-run")?.tests, &arguments.tests)?;
    let shares = shares(programs, thread::available_parallelism().map_or(1, usize::from));
    let cache = root.join("target/vm");
    let limit = Duration::from_secs(arguments.limit);
    let mut steps = Steps::default();
    for series in &arguments.kernels {
        let kernel = Kernel::of_series(&cache, series)?;
        println!("-- {}: {} machines", kernel.name, shares.len());
        let results: Vec<_> = thread::scope(|scope| {
            let mut machines = Vec::new();
            for (number, share) in (1..).zip(&shares) {
                let (kernel, cache, label) = (&kernel, &cache, format!("{series}-{number}"));
                machines.push(scope.spawn(move || boot(root, kernel, nlb, share, &label, cache, limit)));
            }
            machines
                .into_iter()
                .map(|machine| machine.join().map_err(|_| anyhow!("a machine's thread panicked")))
                .collect()
        });
        for (share, ended) in shares.iter().zip(results) {
            judge(&mut steps, series, share, &ended??);
        }
    }
    Ok(steps.finish())
}

/// Runs a share of the tests on a machine of their own.
fn boot(
    root: &Path,
    kernel: &Kernel,
    nlb: &Path,
    share: &[Program],
    label: &str,
    cache: &Path,
    limit: Duration,
) -> Result<Ended> {
    let logs = cache.join(format!("test-{label}"));
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let file = logs.join("image");
    let mut image = Image::new(&logs, kernel, &TOOLS, JOB)?;
    image.program("/bin/nlb", nlb)?;
    for program in share {
        image.program(&format!("/tests/{}", program.name), &program.path)?;
    }
    // Where tests that read them look for them.
    for folder in ["tests/fuzz/corpus", "scripts"] {
        image.copy(&root.join(folder))?;
    }
    image.text("/tests.list", &share.iter().map(|program| format!("{}\n", program.name)).collect::<String>());
    image.write(&file)?;
    let machine =
        Machine { kernel, image: &file, logs: &logs, label, limit, parameters: UNGUARDED, clock: Clock::Real };
    let ended = machine.run()?;
    fs::remove_file(&file)?;
    Ok(ended)
}

/// A step for each program of a share, and why, when one failed.
fn judge(steps: &mut Steps, series: &str, share: &[Program], ended: &Ended) {
    let mut passed = true;
    for Program { name, .. } in share {
        let ran = ended.report.lines().filter_map(parse).find(|ran| ran.name == name);
        let good = ran.as_ref().is_some_and(Ran::passed);
        passed &= good;
        let took = Duration::from_secs(ran.as_ref().map_or(0, |ran| ran.seconds));
        let summary = ran.map_or("did not end", |ran| ran.summary);
        steps.add(&format!("{series}: {name}: {summary}"), if good { Outcome::Passed } else { Outcome::Failed }, took);
    }
    if !(passed && ended.finished) {
        ended.explain();
    }
}

/// The tests named, or all of [`OURS`].
fn chosen(mut built: BTreeMap<String, PathBuf>, named: &[String]) -> Result<Vec<Program>> {
    for name in named {
        ensure!(built.contains_key(name), "there is no test program {name}; there are {:?}", built.keys());
    }
    built.retain(|name, _| match named {
        [] => OURS.iter().any(|beginning| name.starts_with(beginning)),
        _ => named.contains(name),
    });
    ensure!(!built.is_empty(), "cargo built no tests");
    built.into_iter().map(|(name, path)| Ok(Program { tests: count(&path)?, name, path })).collect()
}

fn count(program: &Path) -> Result<usize> {
    let list = Command::new(program).args(["--list", "--format", "terse"]).output();
    let list = list.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(String::from_utf8_lossy(&list.stdout).lines().filter(|line| line.ends_with(": test")).count())
}

impl Program {
    /// How long it takes, roughly: in tests that use an edge which is loaded already. Where each loads its own, by the agent's way,
    /// an emulated machine is at checking programs most of the time.
    fn effort(&self) -> usize {
        self.tests.max(1) * if self.name == "dataplane_kernel" { 8 } else { 1 }
    }
}

/// Deals the programs out to at most so many machines, about as much effort to each.
fn shares(mut programs: Vec<Program>, machines: usize) -> Vec<Vec<Program>> {
    programs.sort_by_key(|program| std::cmp::Reverse(program.effort()));
    let mut shares = vec![(0, Vec::new()); machines.clamp(1, programs.len().max(1))];
    for program in programs {
        if let Some((effort, share)) = shares.iter_mut().min_by_key(|(effort, _)| *effort) {
            *effort += program.effort();
            share.push(program);
        }
    }
    shares.into_iter().map(|(_, share)| share).collect()
}

/// A line of the report: name, exit code, seconds, the test program's summary.
fn parse(line: &str) -> Option<Ran<'_>> {
    let mut words = line.strip_prefix("ran ")?.splitn(4, ' ');
    let (name, code, seconds) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Ran { name, code, seconds, summary: words.next().unwrap_or_default() })
}

impl Ran<'_> {
    /// It ended well, and not because there was nothing to do.
    fn passed(&self) -> bool {
        self.code == 0 && self.summary.starts_with("ok. ") && !self.summary.starts_with("ok. 0 passed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_passed_if_it_says_so_and_had_something_to_do() {
        for (line, passed) in [
            ("ran packets_edge 0 12 ok. 9 passed; 0 failed; 0 ignored", Some(true)),
            ("ran packets_edge 101 12 FAILED. 8 passed; 1 failed; 0 ignored", Some(false)),
            ("ran packets_edge 0 0 ok. 0 passed; 0 failed; 3 ignored", Some(false)),
            ("ran packets_edge 143 300 ", Some(false)),
            ("finished", None),
        ] {
            assert_eq!(parse(line).map(|ran| ran.passed()), passed, "{line}");
        }
    }

    #[test]
    fn every_program_is_in_one_share_and_no_machine_is_without() {
        let program = |&(name, tests): &(&str, usize)| Program { name: name.to_owned(), path: PathBuf::new(), tests };
        let (nat, edge, flows) = (("packets_nat", 40), ("packets_edge", 16), ("packets_flows", 14));
        for (programs, machines, dealt) in [
            (
                &[edge, ("packets_l2", 1), nat, flows][..],
                2,
                vec![vec!["packets_nat"], vec!["packets_edge", "packets_flows", "packets_l2"]],
            ),
            (
                &[nat, ("dataplane_kernel", 20), edge],
                2,
                vec![vec!["dataplane_kernel"], vec!["packets_nat", "packets_edge"]],
            ),
            (&[edge, flows], 8, vec![vec!["packets_edge"], vec!["packets_flows"]]),
            (&[edge, ("packets_none", 0)], 1, vec![vec!["packets_edge", "packets_none"]]),
        ] {
            let shares = shares(programs.iter().map(program).collect(), machines);
            let shares: Vec<Vec<_>> =
                shares.iter().map(|share| share.iter().map(|program| program.name.as_str()).collect()).collect();
            assert_eq!(shares, dealt);
        }
    }
}
