//! Keeping other programs away: what they take would be in the figures.

use anyhow::{Result, ensure};

/// From now on this thread, and whatever it starts, goes ahead of other programs while it has work. The kernel leaves them a
/// twentieth of each second at least, so whoever times something pauses as much now and then.
pub(crate) fn begin() -> Result<()> {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel only reads `parameters`, which outlives the call; 0 is this thread.
    let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } != 0;
    ensure!(!refused, "cannot run ahead of other programs: {}", std::io::Error::last_os_error());
    Ok(())
}
