//! The edge's program in its forms: the steady one, the one with the packet trace, and the one for captures, which stands before
//! either.

use std::mem;
use std::os::fd::AsFd as _;

use aya::programs::ProgramFd;

use super::capture::Capture;
use super::trace::Trace;
use super::{Kernel, KernelError};

/// The programs that are loaded.
pub(super) struct Programs {
    steady: ProgramFd,
    pub(super) trace: Option<Trace>,
    pub(super) capture: Option<Capture>,
}

impl Programs {
    /// The steady form alone.
    pub(super) const fn new(steady: ProgramFd) -> Self {
        Self { steady, trace: None, capture: None }
    }

    /// The one that balances.
    pub(super) fn balancer(&self) -> &ProgramFd {
        self.trace.as_ref().map_or(&self.steady, |trace| &trace.program)
    }

    /// The one that packets come to first.
    pub(super) fn in_front(&self) -> &ProgramFd {
        self.capture.as_ref().map_or_else(|| self.balancer(), |capture| &capture.program)
    }
}

impl Kernel {
    /// Puts a trace or a capture, or none, in the place of the one there is. One that packets can't be shown doesn't stay.
    pub(super) fn change<T>(
        &mut self,
        place: fn(&mut Programs) -> &mut Option<T>,
        to: Option<T>,
    ) -> Result<(), KernelError> {
        if to.is_none() && place(&mut self.programs).is_none() {
            return Ok(());
        }
        let former = mem::replace(place(&mut self.programs), to);
        let shown = self.show();
        drop(former);
        if shown.is_err() && place(&mut self.programs).take().is_some() {
            self.show()?;
        }
        shown
    }

    fn show(&mut self) -> Result<(), KernelError> {
        self.ways.set_balancer(self.programs.balancer())?;
        self.links.swap(self.programs.in_front().as_fd())
    }
}
