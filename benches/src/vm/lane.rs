//! One lane: pktgen, somebody who does the edge's work, and the sink.
//!
//! ```text
//!  pktgen ─▶ gen ═ card ─▶ wire ═ inN ─▶ the edge's work ─▶ out ═ sink
//! ```
//! A program on `card` sends everything on, so that what comes to the edge is what a network card's driver would bring: pages,
//! of which the edge's interface makes socket buffers only for those who want them. Those that pktgen makes are shared with
//! it, and whoever wants to write into one has to copy it first.
//!
//! There is one processor for it all. The edge's interface is polled by a thread of the kernel (threaded NAPI), which waits for
//! pktgen to give way, so that it finds packets in batches as they would come from a network card's queue. A rate is the packets that reached the sink for each
//! second of that thread's time: the sink's work is in it, pktgen's and the stand-in card's are not.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::net::if_::if_nametoindex;
use nix::unistd::Pid;
use nlb_tests::generator::Sink;
use nlb_userspace::programs;

use super::cables::{CARD, Cables, GATEWAY, GENERATOR, IN_MAC, OUT, SINK, WIRE};
use super::pktgen::{self, Stream};
use super::probe::{self, Probe};
use super::rows::TARGETS;
use super::{counters, ipvs};
use crate::balancer::{Balancer, Setup};
use crate::{leftovers, poller};

/// Packets that show whether a lane does what it says: some dozens for each target.
const PROBES: u64 = 4_000;
/// How often the sink's counter is looked at until it stands still.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// What does the edge's work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Packets are thrown away in the driver.
    Drop,
    /// The kernel's stack forwards them by its routes.
    Forward,
    /// A program in the driver that puts them into a tunnel of constants.
    Floor,
    /// The kernel's balancer.
    Ipvs,
    /// The edge's program.
    Balance(Setup),
}

#[expect(dead_code, reason = "held for what they keep attached")]
enum Attached {
    Program(Ebpf),
    Balancer(Box<Balancer>),
    Sink(Sink),
}

/// What came of packets that were sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Packets that reached the sink.
    arrived: u64,
    /// The edge's time.
    time: Duration,
}

impl Sample {
    /// Millions of packets a second.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 packets")]
    pub(super) fn mpps(&self) -> f64 {
        self.arrived as f64 / self.time.as_secs_f64() / 1e6
    }
}

/// A lane, ready for traffic.
pub(super) struct Lane {
    work: Work,
    // Before the namespaces: they are detached in them.
    attached: Vec<Attached>,
    /// The thread that polls the edge's interface.
    poller: Pid,
    cables: Cables,
}

impl Lane {
    /// Builds lane number `number` of this process, and looks whether it does what it says.
    pub(super) fn build(number: usize, work: Work) -> Result<Self> {
        let cables = Cables::lay(number);
        let poller =
            poller::set(&cables.edge, &cables.edge_in, true)?.context("no thread polls the edge's interface")?;
        poller::wait_for_others(poller)?;
        let wire = cables.generator.inside(|| measure("nlb_wire", CARD, if_nametoindex(WIRE)?))?;
        let mut lane = Self { work, attached: vec![Attached::Program(wire)], poller, cables };
        let edge = lane.begin_work()?;
        lane.attached.extend(edge);
        // What a program sends on is received by another program, or by an interface that polls. What the stack sends comes
        // cheaper to one that does not.
        let polls = if work.is_native() { "on" } else { "off" };
        lane.cables.sink.ethtool(&format!("-K {SINK} gro {polls}"));
        if matches!(work, Work::Ipvs | Work::Balance(_)) {
            lane.probe()?;
        }
        if work.is_native() && !matches!(work, Work::Drop) {
            let sink = lane.cables.sink.inside(|| Sink::attach(SINK))?;
            lane.attached.push(Attached::Sink(sink));
        }
        Ok(lane)
    }

    fn begin_work(&self) -> Result<Option<Attached>> {
        let Cables { edge, edge_in, .. } = &self.cables;
        let way_out = edge.inside(|| if_nametoindex(OUT))?;
        let attached = match self.work {
            Work::Drop => Attached::Sink(edge.inside(|| Sink::attach(edge_in))?),
            Work::Floor => Attached::Program(edge.inside(|| measure("nlb_floor_v4", edge_in, way_out))?),
            Work::Balance(setup) => {
                let pins = Path::new(leftovers::BPFFS).join(leftovers::name(edge_in));
                let balancer = edge.inside(|| Balancer::attach(&setup, edge_in, way_out, &pins))?;
                Attached::Balancer(Box::new(balancer))
            }
            Work::Forward => {
                edge.ip(&format!("route add 198.18.0.0/15 via {GATEWAY}"));
                return Ok(None);
            }
            Work::Ipvs => return ipvs::configure(edge, TARGETS).map(|()| None),
        };
        Ok(Some(attached))
    }

    /// Sees to it that all packets come to the sink, and to each target its share of them.
    fn probe(&self) -> Result<()> {
        let probe = self.cables.sink.inside(Probe::new)?;
        let sample = self.run(&Stream { flows: 1 << 16, frame: 60, random: true }, PROBES)?;
        probe::is_shared(&probe.by_target()?, TARGETS, sample.arrived).with_context(|| format!("{:?}", self.work))
    }

    /// Lets those who remember flows see each of them once.
    pub(super) fn show(&self, stream: &Stream) -> Result<()> {
        if self.work.remembers() {
            self.run(&Stream { random: false, ..*stream }, stream.flows.into())?;
        }
        Ok(())
    }

    /// Sends that many packets.
    pub(super) fn run(&self, stream: &Stream, packets: u64) -> Result<Sample> {
        let (before, lost_before, polled) = (self.arrived()?, self.cables.lost()?, poller::time(self.poller)?);
        self.cables.generator.inside(|| pktgen::send(GENERATOR, IN_MAC, stream, packets))?;
        let mut arrived = self.arrived()?;
        loop {
            sleep(LOOK_EVERY);
            let now = self.arrived()?;
            if now == arrived {
                break;
            }
            arrived = now;
        }
        let lost: Vec<u64> = self.cables.lost()?.iter().zip(lost_before).map(|(now, before)| now - before).collect();
        let (refused, on_the_way) = lost.split_first().context("no ends")?;
        let arrived = arrived - before;
        let missed = packets.saturating_sub(arrived + on_the_way.iter().sum::<u64>());
        // What its own cable has no room for pktgen sends again, if the kernel's cables say so, as newer ones do.
        ensure!(
            arrived > 0 && (missed == 0 || missed == *refused),
            "{:?}: of {packets} packets {arrived} reached the sink, and these were lost on the way there: {lost:?}",
            self.work
        );
        Ok(Sample { arrived, time: poller::time(self.poller)? - polled })
    }

    /// Packets that came to the end of their way.
    fn arrived(&self) -> Result<u64> {
        let Cables { edge, sink, edge_in, .. } = &self.cables;
        let (host, interface) = if matches!(self.work, Work::Drop) { (edge, &**edge_in) } else { (sink, SINK) };
        Ok(host.inside(|| counters::of(interface))?.received)
    }
}

impl Work {
    /// Whether it is done by a program in the driver.
    fn is_native(self) -> bool {
        match self {
            Self::Drop | Self::Floor => true,
            Self::Balance(setup) => !setup.generic,
            Self::Forward | Self::Ipvs => false,
        }
    }

    /// Whether it remembers each flow.
    fn remembers(self) -> bool {
        match self {
            Self::Ipvs => true,
            Self::Balance(setup) => setup.tracking == "all",
            Self::Drop | Self::Forward | Self::Floor => false,
        }
    }
}

/// Attaches one of the programs that are made for the benches, whose way out is that interface.
fn measure(name: &str, interface: &str, way_out: u32) -> Result<Ebpf> {
    let mut ebpf = EbpfLoader::new().override_global("WAY_OUT", &way_out, true).load(programs::MEASURE)?;
    let program: &mut Xdp = ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?;
    program.load()?;
    program.attach(interface, XdpMode::Driver)?;
    Ok(ebpf)
}
