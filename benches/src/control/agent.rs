//! The whole agent: its start, another configuration, its health checks, its memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use nlb_userspace::{agent, logging};

use super::process::Agent;
use super::scene::Scene;
use super::setup::{PORT, Setup, TARGET};
use super::tables;
use crate::Settings;
use crate::figure::Goal;
use crate::report::Report;

/// What the agent says when packets begin to be balanced by its tables.
const SERVES: &str = "packets are balanced on";
/// What it says when a ring has got its targets.
const FILLED: &str = "targets hold the ring";
/// What it says when another configuration is in force.
const RELOADED: &str = "configuration reloaded";
/// How long checks are watched.
const WATCHED: Duration = Duration::from_secs(10);
/// Threads that answer HTTP checks.
const SERVERS: usize = 4;

/// The agent and nothing else, as `nlb agent` is.
pub(crate) fn become_one(file: &Path) -> ExitCode {
    let ran = logging::init(logging::LogFormat::Human).map_err(anyhow::Error::from).and_then(|()| agent::run(file));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures.
pub(super) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let ten_thousand = Setup { groups: 10, targets: 10_000, ..Setup::default() };
    starts(ten_thousand, settings, report)?;
    checks(ten_thousand, "TCP", settings, report)?;
    checks(Setup { check: "kind = 'http'", ..ten_thousand }, "HTTP", settings, report)
}

/// Starts, and what can be seen of an agent whose targets are all well.
fn starts(setup: Setup, settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let (mut cold, mut filled, mut adopted, mut reloaded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut resident, mut own) = (Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    for _ in 0..settings.runs {
        let scene = Scene::build("starts")?;
        serve(&scene)?;
        let file = write(&setup, &scene)?;
        let text = fs::read_to_string(&file)?;
        let first = Agent::start(&scene.edge, &file)?;
        cold.push(milliseconds(first.began(), first.says(SERVES)?));
        filled.push(milliseconds(first.began(), first.says_times(FILLED, setup.groups as usize)?));
        let memory = first.memory()?;
        resident.push(megabytes(memory.resident));
        own.push(megabytes(memory.resident - memory.tables));

        let less = text.replacen(&format!("{:?}, ", TARGET.to_string()), "", 1);
        ensure!(less != text, "the first target is not in the file");
        fs::write(&file, less + &setup.another_listener())?;
        let asked = Instant::now();
        first.signal(Signal::SIGHUP)?;
        reloaded.push(milliseconds(asked, first.says(RELOADED)?));
        sizes = tables::sizes(scene.pins())?;
        first.stop()?;

        let next = Agent::start(&scene.edge, &file)?;
        adopted.push(milliseconds(next.began(), next.says(SERVES)?));
        next.stop()?;
    }
    let words = format!("{} targets, {} listeners", setup.targets, setup.listeners);
    report.figure(&format!("{words}: start until packets are taken, nothing there"), "ms", &cold);
    report.figure(&format!("{words}: start until packets are taken, tables adopted"), "ms", &adopted);
    report.figure(&format!("{words}: start until all targets have slots"), "ms", &filled);
    report.figure(&format!("{words}: reload, one listener more and one target less"), "ms", &reloaded);
    report.figure(&format!("{words}: resident memory of the agent, with mapped tables"), "MB", &resident);
    report.with_goal(&format!("{words}: resident memory of the agent"), "MB", &own, Goal::AtMost(100.0));
    let all: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    for (table, bytes) in sizes {
        report.figure(&format!("{words}: table {table}"), "MB", &[megabytes(bytes)]);
    }
    report.figure(&format!("{words}: all tables"), "MB", &[megabytes(all)]);
    Ok(())
}

/// What a check costs: time of the agent's process over checks begun.
fn checks(setup: Setup, kind: &str, settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let scene = Scene::build("checks")?;
    serve(&scene)?;
    let file = write(&setup, &scene)?;
    let agent = Agent::start(&scene.edge, &file)?;
    agent.says_times(FILLED, setup.groups as usize)?;
    let watched = if settings.quick { WATCHED / 10 } else { WATCHED };
    let (mut rate, mut share, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        let (began, busy, before) = (Instant::now(), agent.cpu_time()?, connections(&scene)?);
        thread::sleep(watched);
        let (time, busy, checks) = (began.elapsed(), agent.cpu_time()? - busy, connections(&scene)? - before);
        ensure!(checks > 0 && !busy.is_zero(), "{checks} checks in {time:?}");
        let each = busy.as_secs_f64() / checks as f64;
        rate.push(1.0 / each);
        share.push(each * f64::from(setup.targets) * 100.0);
        asked.push(checks as f64 / time.as_secs_f64());
    }
    let words = format!("{} targets checked each second by {kind}", setup.targets);
    let name = format!("{words}: share of a core");
    match kind {
        "TCP" => report.with_goal(&name, "%", &share, Goal::AtMost(50.0)),
        _ => report.figure(&name, "%", &share),
    }
    report.figure(&format!("{words}: checks that a core can do"), "checks/s", &rate);
    report.figure(&format!("{words}: checks done"), "checks/s", &asked);
    agent.stop()
}

/// Connections that the edge has begun.
fn connections(scene: &Scene) -> Result<u64> {
    let counters = scene.edge.inside(|| fs::read_to_string("/proc/thread-self/net/snmp"))?;
    let mut tcp = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = tcp.next().zip(tcp.next()).context("no counters of TCP")?;
    let both = names.split_whitespace().zip(values.split_whitespace());
    let begun = both.into_iter().find(|(name, _)| *name == "ActiveOpens").context("no counter of connections")?.1;
    Ok(begun.parse()?)
}

/// Answers at every target: to a request with "200 OK". To a connection alone the kernel answers. The threads last as long as
/// the process; without their network they wait for nobody.
fn serve(scene: &Scene) -> Result<()> {
    let listener = scene.router.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    for _ in 0..SERVERS {
        let listener = listener.try_clone()?;
        thread::spawn(move || {
            let mut request = [0; 1_024];
            for stream in listener.incoming() {
                // Who asked and went away is no concern of a server's.
                let Ok(mut stream) = stream else { continue };
                let Ok(1..) = stream.read(&mut request) else { continue };
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
            }
        });
    }
    Ok(())
}

fn write(setup: &Setup, scene: &Scene) -> Result<PathBuf> {
    let file = scene.folder().join("nlb.toml");
    fs::write(&file, setup.text(scene.folder(), scene.pins())).context("cannot write the configuration")?;
    Ok(file)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1_000.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
