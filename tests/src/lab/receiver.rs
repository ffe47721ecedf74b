//! An XDP program that passes everything, for the ends of cables into which a program on the other end sends.

use std::fmt;

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};
use nlb_common::layout::target::PROGRAM;
use nlb_userspace::programs::TARGET;

use super::host::Host;

/// Holds the program on the interfaces until it is dropped.
///
/// A frame that a program on a veth sends back with `XDP_TX` is queued at the other end, but that end is told to look
/// only when it has a program too. With GRO alone, which gives it the queue, such frames lie there until an ordinary
/// packet comes along, and 256 of them close the queue to everybody (seen on kernel 6.18; redirect is not affected).
pub(super) struct Receiver(#[expect(dead_code, reason = "held for its link, which ends with it")] Ebpf);

impl Receiver {
    /// Puts the program on these interfaces of `host`: the target host's, which passes what is in no tunnel of a known edge,
    /// and knows none.
    pub(super) fn attach(host: &Host, interfaces: &[String]) -> Result<Self> {
        let attach = || {
            let mut object = Ebpf::load(TARGET)?;
            let program: &mut Xdp =
                object.program_mut(PROGRAM).context("the object has no such program")?.try_into()?;
            program.load()?;
            for interface in interfaces {
                program.attach(interface, XdpMode::Driver)?;
            }
            Ok::<_, anyhow::Error>(Self(object))
        };
        host.inside(attach)?.with_context(|| format!("cannot put a program on {interfaces:?} of {}", host.name()))
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}
