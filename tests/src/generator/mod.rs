//! A packet generator and the sink that counts what arrives, both XDP programs: millions of packets a second from one thread.
//!
//! ```text
//! Generator ─ live frames ─▶ veth ═ veth ─▶ whatever is tested ─▶ … ─▶ veth ═ veth: Sink
//! ```
//! Frames go straight into the receive queue of the interface's peer: no socket, no stack. Whoever wants a load that others
//! can bear asks for a number of packets, which is the load's end.
//!
//! What may not live here: what the packets are for.

mod frame;
mod sink;
mod traffic;

use std::num::NonZero;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::maps::Array;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use nlb_userspace::programs;

pub use sink::Sink;
pub use traffic::{Kind, Order, Sizes, Traffic};

use frame::{Frame, WORDS};

const PROGRAM: &str = "nlb_generate";

/// Packets that the kernel hands on at once.
const BATCH: u32 = 64;

/// Packets per system call: some tens of milliseconds, so that a signal is seen soon.
const CALL: u32 = 1 << 18;

/// A loaded generator. One thread at a time runs it.
pub struct Generator {
    ebpf: Ebpf,
    frame: Vec<u8>,
}

impl Generator {
    /// Makes ready to send this traffic out of the interface of that index.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn new(traffic: &Traffic, interface: u32) -> Result<Self> {
        Self::starting_at(traffic, interface, 0)
    }

    /// The same, beginning with packet number `number`: another one gives another part of the same random order.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn starting_at(traffic: &Traffic, interface: u32, number: u64) -> Result<Self> {
        let Frame { frame, headers, ip_sum, transport_sum, quoted_sum } = Frame::of(traffic)?;
        let source = frame::last_word(traffic.source);
        let destination = frame::last_word(traffic.destination.ip());
        let mut ebpf = EbpfLoader::new()
            .override_global("INTERFACE", &interface, true)
            .override_global("IS_V6", &u8::from(traffic.destination.is_ipv6()), true)
            .override_global("KIND", &traffic.kind.number(), true)
            .override_global("IS_FRAGMENT", &u8::from(matches!(traffic.kind, Kind::Fragment { .. })), true)
            .override_global("IS_MIXED", &u8::from(traffic.sizes == Sizes::Mixed), true)
            .override_global("IS_RANDOM", &u8::from(traffic.order == Order::Random), true)
            .override_global("FLOW_MASK", &traffic.flow_mask()?, true)
            .override_global("SOURCE", &source, true)
            .override_global("SOURCE_PORT", &traffic.source_port, true)
            .override_global("DESTINATION", &destination, true)
            .override_global("DESTINATIONS", &traffic.destinations, true)
            .override_global("IP_SUM", &ip_sum, true)
            .override_global("TRANSPORT_SUM", &transport_sum, true)
            .override_global("QUOTED_SUM", &quoted_sum, true)
            .load(programs::GENERATOR)
            .context("cannot load the generator's maps")?;
        let map = ebpf.map_mut("HEADERS").context("no map HEADERS")?;
        Array::<_, [u64; WORDS]>::try_from(map)?.set(0, headers, 0)?;
        let map = ebpf.map_mut("NUMBER").context("no map NUMBER")?;
        Array::<_, u64>::try_from(map)?.set(0, number, 0)?;
        let program: &mut Xdp = ebpf.program_mut(PROGRAM).context("no program")?.try_into()?;
        program.load().context("the kernel refuses the generator")?;
        Ok(Self { ebpf, frame })
    }

    /// Sends that many packets from this thread, which must be in the interface's network namespace, and gives the time that
    /// its CPU took for them: with what the kernel did with the packets on this CPU meanwhile, without what others did.
    ///
    /// # Errors
    /// When the kernel doesn't let it, as without CAP_NET_ADMIN, or a signal comes.
    pub fn send(&self, packets: NonZero<u64>) -> Result<Duration> {
        let before = cpu_time()?;
        let mut left = packets.get();
        while left > 0 {
            let now = u32::try_from(left).map_or(CALL, |left| left.min(CALL));
            let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
            let options = TestRunOptions { data_in: Some(&self.frame), repeat: now, attrs, ..TestRunOptions::new() };
            self.program()?.test_run(options).context("cannot send live frames")?;
            left -= u64::from(now);
        }
        Ok(cpu_time()? - before)
    }

    /// The next packet, which is not sent.
    ///
    /// # Errors
    /// When the kernel doesn't run the program.
    pub fn next_packet(&self) -> Result<Vec<u8>> {
        let mut out = vec![0; self.frame.len()];
        let options = TestRunOptions { data_in: Some(&self.frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let length = self.program()?.test_run(options).context("test run of the generator")?.data_size_out;
        out.truncate(length as usize);
        Ok(out)
    }

    fn program(&self) -> Result<&Xdp> {
        Ok(self.ebpf.program(PROGRAM).context("no program")?.try_into()?)
    }
}

/// Keeps this thread on one CPU.
///
/// # Errors
/// When there is no such CPU.
pub fn stay_on(cpu: usize) -> Result<()> {
    keep_on(Pid::from_raw(0), cpu)
}

/// Keeps a thread on one CPU.
///
/// # Errors
/// When there is no such CPU or thread, or the thread is one of the kernel's that may not move.
pub fn keep_on(thread: Pid, cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("no CPU {cpu}"))?;
    sched_setaffinity(thread, &set).with_context(|| format!("cannot keep thread {thread} on CPU {cpu}"))
}

fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
