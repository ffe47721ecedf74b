//! Ctrl-C and SIGTERM: the laboratory is taken down at once, wherever the story is.

use std::io::{stderr, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigSet, Signal};
use nlb_tests::lab;

/// Is the story told, and the laboratory only up to be looked at? Then an interrupt is the way to end it, no failure.
static STAYING: AtomicBool = AtomicBool::new(false);

/// Must be called before any other thread is started: all inherit that these signals are held back for one to wait for.
/// Processes that are started do not.
pub(crate) fn watch() -> Result<()> {
    let ends: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    ends.thread_block().context("cannot hold signals back")?;
    thread::spawn(move || {
        let Ok(signal) = ends.wait() else { return };
        println!("\nTaking the laboratory down.");
        // The story goes on in its thread and fails now; what it would say of that is of no use.
        let (_out, _err) = (stdout().lock(), stderr().lock());
        let removed = lab::abandon();
        let staying = STAYING.load(Ordering::Relaxed);
        process::exit(if staying && removed.is_ok() { 0 } else { 128 + signal as i32 });
    });
    Ok(())
}

/// From now on an interrupt is no failure.
pub(crate) fn is_welcome() {
    STAYING.store(true, Ordering::Relaxed);
}
