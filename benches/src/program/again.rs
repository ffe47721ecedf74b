//! Runs a program on the same packet again and again, each time as another flow.

use anyhow::{Context as _, Result};
use aya::maps::ProgramArray;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use nlb_userspace::programs;

use super::packet::Packet;

/// Runs per call: a call is over within some milliseconds, so that what else the machine does hits few of them.
const BATCH: u32 = 50_000;

/// A program, and the one that runs before it.
pub(super) struct Again {
    ebpf: Ebpf,
    frame: Vec<u8>,
    flows: u32,
}

impl Again {
    /// Runs `measured` on `packet` as `flows` flows, a power of two, in random order.
    pub(super) fn new(measured: &Xdp, packet: &Packet, flows: u32) -> Result<Self> {
        let frame = packet.frame();
        let length = u32::try_from(frame.len())?;
        let v6 = u8::from(packet.v6());
        let mut ebpf = EbpfLoader::new()
            .override_global("LENGTH", &length, true)
            .override_global("IS_V6", &v6, true)
            .override_global("DESTINATION", &packet.destination_v4(), true)
            .override_global("DESTINATION_V6", &packet.destination_v6(), true)
            .override_global("DESTINATION_MASK", &packet.destination_mask, true)
            .override_global("HEADER", &packet.header(), true)
            .override_global("MESSAGE", &packet.message(), true)
            .override_global("FLOW_MASK", &(flows - 1), true)
            .load(programs::MEASURE)
            .context("cannot load the measuring programs")?;
        load(&mut ebpf, "nlb_again")?;
        let array = ebpf.map_mut("MEASURED").context("no map MEASURED")?;
        ProgramArray::try_from(array)?.set(0, measured.fd()?, 0)?;
        Ok(Self { ebpf, frame, flows })
    }

    /// What the program says to a packet that no run has changed yet.
    pub(super) fn action(&self) -> Result<u32> {
        Ok(self.run(1)?.0)
    }

    /// Sees every flow once, so that a measurement begins with what a later packet finds. What the program says to the last packet.
    pub(super) fn warm(&self) -> Result<u32> {
        Ok(self.run(self.flows.max(BATCH))?.0)
    }

    /// Mean nanoseconds of a run, over `batches` calls.
    pub(super) fn nanoseconds(&self, batches: u32) -> Result<f64> {
        // One call's worth is lost to what ran before.
        self.run(BATCH)?;
        let mut sum = 0.0;
        for _ in 0..batches {
            // The kernel rounds down.
            sum += self.run(BATCH)?.1 + 0.5;
        }
        Ok(sum / f64::from(batches))
    }

    /// Action and nanoseconds.
    fn run(&self, repeat: u32) -> Result<(u32, f64)> {
        let options = TestRunOptions { data_in: Some(&self.frame), repeat, ..TestRunOptions::new() };
        let result = program(&self.ebpf, "nlb_again")?.test_run(options).context("test run")?;
        Ok((result.return_value, f64::from(u32::try_from(result.duration.as_nanos())?)))
    }
}

/// Loads a program of an object.
pub(super) fn load(ebpf: &mut Ebpf, name: &str) -> Result<()> {
    let program: &mut Xdp = ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?;
    program.load().with_context(|| format!("the kernel refuses {name}"))
}

/// A program of an object.
pub(super) fn program<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Xdp> {
    Ok(ebpf.program(name).with_context(|| format!("no program {name}"))?.try_into()?)
}
