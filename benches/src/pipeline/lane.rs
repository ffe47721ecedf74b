//! One lane: generator, cable, edge, cable, sink, in a network namespace of its own.
//!
//! ```text
//!  in    Generator ─▶ gen ═ edge        Sink: on gen (one-armed: the edge sends back, XDP_TX)
//!                            │ redirect
//!                            └─ out ═ far   Sink: on far (two-armed)
//! ```
//! Who works where:
//!
//! - **One core.** All on CPU 0, in the generator's own system call: it puts a batch of 64 frames into the edge's queue, and
//!   the kernel takes the batch through the edge's program and the sink's before the next one is made.
//! - **Two cores.** The edge's end of the cable is polled by a thread of the kernel (threaded NAPI) on CPU 1, and so is
//!   what it sends on to the sink. The generator has CPU 0 for itself, and offers more than is taken: what finds the queue full
//!   is lost.
//!
//! Rates are packets that reached the sink, by the CPU time of the busier thread: what others do on the machine meanwhile
//! is not counted in.

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::unistd::Pid;
use nlb_tests::generator::{Generator, Sink, Traffic, keep_on, stay_on};
use nlb_tests::segment::Host;
use nlb_userspace::programs;

use super::balancer::{Balancer, Setup};

const GENERATOR_CPU: usize = 0;
const EDGE_CPU: usize = 1;

/// What does the edge's work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Nothing: packets are thrown away, and counted there.
    Drop,
    /// A tunnel of constants.
    Floor,
    /// The edge's program.
    Balance(Setup),
}

/// Where what the edge forwards goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arms {
    /// Back by the interface that it came in by.
    One,
    /// By another one.
    Two,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cores {
    One,
    Two,
}

#[expect(dead_code, reason = "held for what they keep attached")]
enum Attached {
    Program(Ebpf),
    Balancer(Balancer),
    Sink,
}

/// A lane, ready for traffic.
pub(super) struct Lane {
    // Before the namespace: they are detached in it.
    sink: Sink,
    _edge: Attached,
    /// The thread that polls the edge's interface.
    poller: Option<Pid>,
    edge: String,
    generator: u32,
    host: Host,
}

/// What one run gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Millions of packets that reached the sink for each second of the busier core.
    pub(super) mpps: f64,
    /// Packets that reached the sink, of those that were sent.
    pub(super) share: f64,
}

impl Lane {
    /// Builds lane number `number` of this process.
    pub(super) fn build(number: usize, work: Work, arms: Arms) -> Result<Self> {
        let id = format!("nlbbench-{}-{number}", std::process::id());
        let host = Host::new(id.clone());
        for scope in ["all", "default"] {
            // Nothing but the generator's packets is to travel.
            host.sysctl(&format!("ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        // Threads of the kernel bear the interface's name, of which they show few letters.
        let edge = format!("e{number}");
        host.ip(&format!("link add gen mtu 2000 type veth peer name {edge} mtu 2000"));
        host.ip("link add out mtu 2000 type veth peer name far mtu 2000");
        for end in ["lo", "gen", &edge, "out", "far"] {
            host.ip(&format!("link set {end} up"));
        }
        let index = |name: &str| host.inside(|| nix::net::if_::if_nametoindex(name));
        let (generator, received, out) = (index("gen")?, index(&edge)?, index("out")?);
        let pins = PathBuf::from("/sys/fs/bpf").join(&id);
        let attach = || {
            let end = if arms == Arms::One { "gen" } else { "far" };
            Ok::<_, anyhow::Error>(match work {
                Work::Drop => (Sink::attach(&edge)?, Attached::Sink),
                Work::Floor => {
                    let way_out = if arms == Arms::One { 0 } else { out };
                    (Sink::attach(end)?, Attached::Program(floor(&edge, way_out)?))
                }
                Work::Balance(setup) => {
                    let way_out = if arms == Arms::One { received } else { out };
                    (Sink::attach(end)?, Attached::Balancer(Balancer::attach(&setup, &edge, way_out, &pins)?))
                }
            })
        };
        let (sink, attached) = host.inside(attach)?;
        Ok(Self { sink, _edge: attached, poller: None, edge, generator, host })
    }

    /// Makes ready to send `traffic` into this lane.
    pub(super) fn generator(&self, traffic: &Traffic) -> Result<Generator> {
        Generator::new(traffic, self.generator)
    }

    /// Divides the work among so many cores.
    pub(super) fn use_cores(&mut self, cores: Cores) -> Result<()> {
        let threaded = if cores == Cores::One { "0" } else { "1" };
        // sysfs shows the network namespace that it was mounted in.
        let line = format!("echo {threaded} > /sys/class/net/{}/threaded", self.edge);
        let words = ["netns", "exec", self.host.name(), "sh", "-c", &line];
        let done = std::process::Command::new("ip").args(words).status().context("cannot run ip")?;
        ensure!(done.success(), "cannot set {} of {} threaded", self.edge, self.host.name());
        self.poller = if cores == Cores::One { None } else { Some(poller(&self.edge)?) };
        self.poller.map_or(Ok(()), |poller| keep_on(poller, EDGE_CPU))
    }

    /// Sends that many packets.
    pub(super) fn run(&self, generator: &Generator, packets: u64) -> Result<Sample> {
        let send = || {
            stay_on(GENERATOR_CPU)?;
            generator.send(NonZero::new(packets).context("no packets")?)
        };
        let (arrived, polled) = (self.sink.arrived()?.packets, self.polled()?);
        let sent = self.host.inside(send)?;
        let arrived = self.arrived_in_the_end()? - arrived;
        let polled = self.polled()? - polled;
        let busiest = sent.max(polled);
        print!("sent {sent:?} polled {polled:?} {:.3} ", arrived as f64 / polled.as_secs_f64() / 1e6);
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 packets")]
        let (arrived, packets) = (arrived as f64, packets as f64);
        Ok(Sample { mpps: arrived / busiest.as_secs_f64() / 1e6, share: arrived / packets })
    }

    /// What the sink has counted once nothing is on the way any more.
    fn arrived_in_the_end(&self) -> Result<u64> {
        let mut last = self.sink.arrived()?.packets;
        for _ in 0..1_000 {
            sleep(Duration::from_millis(1));
            let now = self.sink.arrived()?.packets;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        bail!("packets arrive without end")
    }

    /// The CPU time of the thread that polls the edge's interface.
    fn polled(&self) -> Result<Duration> {
        let Some(poller) = self.poller else { return Ok(Duration::ZERO) };
        let file = format!("/proc/{poller}/schedstat");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
        Ok(Duration::from_nanos(nanoseconds.with_context(|| format!("no time in {file}: {text}"))?))
    }
}

fn floor(interface: &str, way_out: u32) -> Result<Ebpf> {
    let mut ebpf = EbpfLoader::new().override_global("INTERFACE", &way_out, true).load(programs::GENERATOR)?;
    let program: &mut Xdp = ebpf.program_mut("nlb_floor").context("no program nlb_floor")?.try_into()?;
    program.load()?;
    program.attach(interface, XdpMode::Driver)?;
    Ok(ebpf)
}

/// The kernel's thread that polls an interface; it is there soon after it was asked for.
fn poller(interface: &str) -> Result<Pid> {
    let begun = Instant::now();
    let name = format!("napi/{interface}-");
    while begun.elapsed() < Duration::from_secs(5) {
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            // Processes come and go while the list is read.
            let Ok(comm) = fs::read_to_string(path.join("comm")) else { continue };
            if comm.starts_with(&name) {
                let pid = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                return pid.map(Pid::from_raw).with_context(|| format!("no number: {}", path.display()));
            }
        }
        sleep(Duration::from_millis(5));
    }
    bail!("no thread polls {interface}")
}
