//! One lane: generator, cable, edge, cable, sink, in a network namespace of its own.
//!
//! ```text
//!  Generator ─▶ gen ═ edge            one-armed: the edge sends back (XDP_TX), the sink is on `gen`
//!                      │ redirect
//!                      └─▶ out ═ far  two-armed: the sink is on `far`
//! ```
//! Who works where:
//!
//! - **One core.** All on CPU 0, in the generator's own system call: it puts a batch of 64 frames into the edge's queue, and
//!   the kernel takes the batch through the edge's program and the sink's before the next one is made.
//! - **Two cores.** The edge's end of the cable is polled by a thread of the kernel (threaded NAPI) on CPU 1, and what it sends
//!   on reaches the sink on CPU 1 as well. The generator has CPU 0 for itself and offers more than is taken: what finds the
//!   queue full is lost. The packets' headers come from the other core's cache, as they would from a network card.
//!
//! A rate is the packets that reached the sink, for each second of CPU time of the thread that the edge's program runs in: so
//! what others do on the machine meanwhile is not counted in. With one core the generator's and the sink's work is in it,
//! with two the sink's.

use std::num::NonZero;
use std::ops::AddAssign;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::net::if_::if_nametoindex;
use nix::unistd::Pid;
use nlb_common::counters::Counters;
use nlb_tests::generator::{Generator, Sink, Traffic, keep_on, stay_on};
use nlb_tests::segment::Host;
use nlb_userspace::programs;

use crate::balancer::{Balancer, Setup};
use crate::leftovers;
use crate::poller;

const GENERATOR_CPU: usize = 0;
const EDGE_CPU: usize = 1;
/// Room for the longest packet and its outer header.
const MTU: u32 = 2_000;
/// How long packets may be on their way.
const PATIENCE: Duration = Duration::from_secs(5);

/// What does the edge's work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Nothing: packets are thrown away, and counted there.
    Drop,
    /// A tunnel of constants.
    Floor(Floor),
    /// The edge's program.
    Balance(Setup),
}

/// Which tunnel of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// By IPv4.
    V4,
    /// The same, for packets whose addresses are read first.
    Reading,
    /// By IPv6.
    V6,
}

/// Where what the edge forwards goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arms {
    /// Back by the interface that it came in by.
    One,
    /// By another one.
    Two,
}

/// How many cores there are for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cores {
    One,
    Two,
}

#[expect(dead_code, reason = "held for what they keep attached")]
enum Attached {
    Program(Ebpf),
    Balancer(Box<Balancer>),
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

/// What came of packets that were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Packets that reached the sink.
    pub(super) packets: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// CPU time of the thread that the edge's program ran in.
    time: Duration,
}

impl Sample {
    /// Millions of packets a second.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 packets")]
    pub(super) fn mpps(&self) -> f64 {
        self.packets as f64 / self.time.as_secs_f64() / 1e6
    }
}

impl AddAssign for Sample {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.time += other.time;
    }
}

impl Lane {
    /// Builds lane number `number` of this process.
    pub(super) fn build(number: usize, work: Work, arms: Arms) -> Result<Self> {
        let id = leftovers::name(&number.to_string());
        let host = Host::new(id.clone());
        for scope in ["all", "default"] {
            // Nothing but the generator's packets is to travel.
            host.sysctl(&format!("ipv6/conf/{scope}/disable_ipv6"), "1");
        }
        // The kernel's threads bear the names of the interfaces that they poll, as far as fifteen letters go.
        let edge = format!("e{number}");
        host.ip(&format!("link add gen mtu {MTU} type veth peer name {edge} mtu {MTU}"));
        host.ip(&format!("link add out mtu {MTU} type veth peer name far mtu {MTU}"));
        for end in ["gen", &edge, "out", "far"] {
            host.ip(&format!("link set {end} up"));
        }
        let index = |name: &str| host.inside(|| if_nametoindex(name));
        let (generator, received, out) = (index("gen")?, index(&edge)?, index("out")?);
        let end = if arms == Arms::One { "gen" } else { "far" };
        let attach = || {
            Ok::<_, anyhow::Error>(match work {
                Work::Drop => (Sink::attach(&edge)?, Attached::Sink),
                Work::Floor(of) => {
                    let way_out = if arms == Arms::One { 0 } else { out };
                    (Sink::attach(end)?, Attached::Program(floor(of, &edge, way_out)?))
                }
                Work::Balance(setup) => {
                    let way_out = if arms == Arms::One { received } else { out };
                    let pins = Path::new(leftovers::BPFFS).join(&id);
                    let balancer = Balancer::attach(&setup, &edge, way_out, &pins)?;
                    (Sink::attach(end)?, Attached::Balancer(Box::new(balancer)))
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
        self.poller = poller::set(&self.host, &self.edge, cores == Cores::Two)?;
        self.poller.map_or(Ok(()), |poller| keep_on(poller, EDGE_CPU))
    }

    /// Sends that many packets.
    pub(super) fn run(&self, generator: &Generator, packets: u64) -> Result<Sample> {
        let send = || {
            stay_on(GENERATOR_CPU)?;
            generator.send(NonZero::new(packets).context("no packets")?)
        };
        let before = self.sink.arrived()?;
        let polled_before = self.poller.map(poller::time).transpose()?;
        let sent = self.host.inside(send)?;
        let after = self.arrived_in_the_end(before)?;
        let time = match (self.poller, polled_before) {
            (Some(poller), Some(before)) => poller::time(poller)? - before,
            _ => sent,
        };
        let (packets, bytes) = (after.packets - before.packets, after.bytes - before.bytes);
        Ok(Sample { packets, bytes, time })
    }

    /// What the sink has counted once nothing is on the way any more, if it had counted `before`. On a busy machine the
    /// edge's thread may wait for its CPU.
    fn arrived_in_the_end(&self, before: Counters) -> Result<Counters> {
        let mut last = before;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(2));
            let now = self.sink.arrived()?;
            if now == last && now != before {
                return Ok(now);
            }
            last = now;
        }
        ensure!(last != before, "no packet reached the sink of {}", self.host.name());
        bail!("packets arrive without end")
    }
}

fn floor(of: Floor, interface: &str, way_out: u32) -> Result<Ebpf> {
    let mut ebpf = EbpfLoader::new()
        .override_global("WAY_OUT", &way_out, true)
        .override_global("IS_READ", &u8::from(of == Floor::Reading), true)
        .load(programs::MEASURE)?;
    let name = if of == Floor::V6 { "nlb_floor_v6" } else { "nlb_floor_v4" };
    let program: &mut Xdp = ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?;
    program.load()?;
    program.attach(interface, XdpMode::Driver)?;
    Ok(ebpf)
}
