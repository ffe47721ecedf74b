//! Where in the edge's program the time goes: samples by stage and by line, beside the size of the code.
//!
//! Debian's perf and bpftool come without a disassembler, and could not annotate a program of BPF. So perf takes the samples,
//! of cycles where the machine has counters and else of its clock, and the kernel says which line of the source every
//! address belongs to.

mod code;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::again::Again;
use super::rows::{Claimed, ROWS};
use super::tables;
use code::Piece;

/// What is profiled, each as a million flows.
const PROFILED: [&str; 2] = ["v4 tcp ipip", "v6 tcp ipip"];
const FLOWS: u32 = 1 << 20;
const TIME: Duration = Duration::from_secs(8);
/// Lines that are shown.
const LINES: usize = 25;

/// Instructions, bytes of machine code, samples.
#[derive(Clone, Copy, Default)]
struct Weight {
    instructions: u32,
    bytes: u64,
    samples: usize,
}

/// Profiles and prints.
pub(crate) fn run() -> Result<()> {
    let edge = tables::fill(Claimed::Yes)?;
    let program = edge.program()?;
    let pieces = code::pieces(program.fd()?.as_fd())?;
    let event = event();
    for name in PROFILED {
        let row = ROWS.iter().find(|row| row.name == name).context("no such row")?;
        let again = Again::new(program, &tables::packet(row), FLOWS)?;
        again.warm()?;
        println!("\n{name}, 1 M flows");
        match event {
            Some(event) => {
                let samples = sample(event, &again)?;
                println!("sampled: {event}");
                show(&pieces, &samples);
            }
            None => {
                println!("perf can't sample here: only what the code is, not what of it runs");
                show(&pieces, &[]);
            }
        }
    }
    Ok(())
}

/// What perf can sample by on this machine.
fn event() -> Option<&'static str> {
    let works = |event: &&str| {
        let counted = Command::new("perf").args(["stat", "-x,", "-e", event, "true"]).output();
        counted.is_ok_and(|output| {
            output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("<not supported>")
        })
    };
    ["cycles", "cpu-clock"].into_iter().find(works)
}

/// Runs the program while perf looks on; the addresses that it was seen at.
fn sample(event: &str, again: &Again) -> Result<Vec<u64>> {
    let file = std::env::temp_dir().join(format!("nlb-bench-{}.perf", std::process::id()));
    let own = std::process::id().to_string();
    let mut perf = Command::new("perf")
        .args(["record", "--quiet", "--event", event, "--freq", "5000", "--pid", &own, "--output"])
        .arg(&file)
        .stdout(Stdio::null())
        .spawn()
        .context("cannot run perf")?;
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        again.nanoseconds(20)?;
    }
    kill(Pid::from_raw(i32::try_from(perf.id())?), Signal::SIGINT)?;
    perf.wait()?;
    let script = Command::new("perf").args(["script", "--fields", "ip", "--input"]).arg(&file).output();
    fs::remove_file(&file).ok();
    let script = script?;
    ensure!(script.status.success(), "perf script: {}", String::from_utf8_lossy(&script.stderr));
    let text = String::from_utf8_lossy(&script.stdout).into_owned();
    Ok(text.lines().filter_map(|line| u64::from_str_radix(line.trim(), 16).ok()).collect())
}

fn show(pieces: &[Piece], samples: &[u64]) {
    let mut by_stage: BTreeMap<&str, Weight> = BTreeMap::new();
    let mut by_line: BTreeMap<(&str, u32), Weight> = BTreeMap::new();
    let mut seen = vec![0; pieces.len()];
    for &address in samples {
        let piece = pieces.partition_point(|piece| piece.begin <= address).checked_sub(1);
        if let Some(piece) = piece.filter(|&piece| address < pieces[piece].end) {
            seen[piece] += 1;
        }
    }
    let mut all = Weight::default();
    for (piece, samples) in pieces.iter().zip(seen) {
        let stage = by_stage.entry(&piece.stage).or_default();
        for weight in [stage, by_line.entry((&piece.file, piece.line)).or_default(), &mut all] {
            weight.instructions += piece.instructions;
            weight.bytes += piece.end - piece.begin;
            weight.samples += samples;
        }
    }
    println!("{} samples, {} of them in the program", samples.len(), all.samples);
    table("stage", by_stage.into_iter().map(|(stage, weight)| (stage.to_owned(), weight)), usize::MAX, all);
    table("line", by_line.into_iter().map(|((file, line), weight)| (format!("{file}:{line}"), weight)), LINES, all);
}

#[expect(clippy::cast_precision_loss, reason = "a share, to be read by people")]
fn table(what: &str, rows: impl Iterator<Item = (String, Weight)>, most: usize, all: Weight) {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, weight)| std::cmp::Reverse((weight.samples, weight.instructions)));
    println!("  {what:<36} {:>12} {:>14} {:>8}", "instructions", "machine bytes", "samples");
    for (name, weight) in rows.into_iter().take(most).chain([("all".to_owned(), all)]) {
        let share = weight.samples as f64 / all.samples.max(1) as f64 * 100.0;
        println!("  {name:<36} {:>12} {:>14} {share:>6.1} %", weight.instructions, weight.bytes);
    }
}
