//! `cargo xtask vm test`: the tests of the kernel programs, on other kernels.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::image::Image;
use super::kernel::Kernel;
use super::machine::Machine;
use super::{KERNEL, cargo};
use crate::steps::{Outcome, Steps};

const JOB: &[u8] = include_bytes!("guest/test.sh");
/// What tests run, besides what busybox has.
const TOOLS: [&str; 5] = ["busybox", "ip", "ethtool", "setpriv", "ping"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Series of Debian's kernels to test, as 6.1; each in a machine of its own.
    #[arg(long = "kernel", value_name = "SERIES", default_values_t = [KERNEL.to_owned()])]
    kernels: Vec<String>,
    /// A machine is ended after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u64,
    /// Only these test programs; all that need no servers when none is named.
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
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
    let tests = chosen(cargo::build(root, "test --no-run")?.tests, &arguments.tests)?;
    let cache = root.join("target/vm");
    let mut steps = Steps::default();
    for series in &arguments.kernels {
        let kernel = Kernel::of_series(&cache, series)?;
        let logs = cache.join(format!("test-{series}"));
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let image = logs.join("image");
        build_image(root, &kernel, nlb, &tests)?.write(&image)?;
        println!("-- {}", kernel.name);
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
        let limit = Duration::from_secs(arguments.limit);
        let ended = Machine { kernel: &kernel, image: &image, logs: &logs, processors, limit }.run()?;
        fs::remove_file(&image)?;
        let mut passed = ended.finished;
        for name in tests.keys() {
            let ran = ended.report.lines().filter_map(parse).find(|ran| ran.name == name);
            let good = ran.as_ref().is_some_and(Ran::passed);
            passed &= good;
            let seconds = Duration::from_secs(ran.as_ref().map_or(0, |ran| ran.seconds));
            let summary = ran.map_or("did not end", |ran| ran.summary);
            let outcome = if good { Outcome::Passed } else { Outcome::Failed };
            steps.add(&format!("{series}: {name}: {summary}"), outcome, seconds);
        }
        if !ended.finished {
            ended.explain();
        } else if !passed {
            ended.show_kernel_log();
        }
    }
    Ok(steps.finish())
}

fn build_image(root: &Path, kernel: &Kernel, nlb: &Path, tests: &BTreeMap<String, PathBuf>) -> Result<Image> {
    let mut image = Image::new(kernel, &TOOLS, JOB)?;
    image.program("/bin/nlb", nlb)?;
    for (name, path) in tests {
        image.program(&format!("/tests/{name}"), path)?;
    }
    // Where a test that reads them looks for them.
    image.copy(&root.join("tests/fuzz/corpus"))?;
    let names: Vec<_> = tests.keys().map(String::as_str).collect();
    image.text("/tests.list", &(names.join("\n") + "\n"));
    Ok(image)
}

/// The tests named, or all but those that need servers, which the laboratory's do.
fn chosen(mut built: BTreeMap<String, PathBuf>, named: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    if named.is_empty() {
        built.retain(|name, _| OURS.iter().any(|prefix| name.starts_with(prefix)));
    } else {
        for name in named {
            ensure!(built.contains_key(name), "there is no test program {name}; there are {:?}", built.keys());
        }
        built.retain(|name, _| named.contains(name));
    }
    ensure!(!built.is_empty(), "cargo built no tests");
    Ok(built)
}

/// The beginnings of the names of tests that run with nothing but the kernel.
const OURS: [&str; 5] = ["packets_", "dataplane_kernel", "second_chance", "target_agent", "netlink_ways"];

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
    use super::parse;

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
}
