//! The end of the packets' way.

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::maps::PerCpuArray;
use aya::programs::{Xdp, XdpMode};
use nlb_common::counters::Counters;
use nlb_userspace::programs;

const PROGRAM: &str = "nlb_sink";

/// Counts what comes in by an interface and throws it away, for as long as it lives.
pub struct Sink(Ebpf);

impl Sink {
    /// Takes the interface of that name, in this thread's network namespace.
    ///
    /// # Errors
    /// When there is no such interface, or another program is on it.
    pub fn attach(interface: &str) -> Result<Self> {
        let mut ebpf = Ebpf::load(programs::GENERATOR).context("cannot load the sink's maps")?;
        let program: &mut Xdp = ebpf.program_mut(PROGRAM).context("no program")?.try_into()?;
        program.load().context("the kernel refuses the sink")?;
        program.attach(interface, XdpMode::Driver).with_context(|| format!("cannot attach the sink to {interface}"))?;
        Ok(Self(ebpf))
    }

    /// Frames that came so far, and their bytes from the Ethernet header on.
    ///
    /// # Errors
    /// When the kernel doesn't tell.
    pub fn arrived(&self) -> Result<Counters> {
        let map = PerCpuArray::<_, Counters>::try_from(self.0.map("ARRIVED").context("no map ARRIVED")?)?;
        let mut all = Counters::default();
        map.get(&0, 0)?.iter().for_each(|&cpu| all += cpu);
        Ok(all)
    }
}
