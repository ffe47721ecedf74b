//! A thread that reads what a kernel program hands over, for as long as somebody wants it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How soon the thread sees that it is to end, in milliseconds.
const ATTENTION: u8 = 100;

/// The thread; it ends when this is dropped.
pub(super) struct Reader {
    over: Over,
    thread: Option<JoinHandle<()>>,
}

/// Whether the thread is to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Over(Arc<AtomicBool>);

impl Over {
    /// Whether it is.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Reader {
    /// Begins to `read` on a thread of that name.
    pub(super) fn begin(name: &str, read: impl FnOnce(&Over) + Send + 'static) -> io::Result<Self> {
        let over = Over::default();
        let ended = over.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || read(&ended))?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.over.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::warn!(thread = name, "it ended early: something came that could not be read");
            }
        }
    }
}

/// Waits until there is something to read, for a moment at most. `false`: there never will be.
pub(super) fn wait(ring: BorrowedFd<'_>) -> bool {
    let waited = poll(&mut [PollFd::new(ring, PollFlags::POLLIN)], PollTimeout::from(ATTENTION));
    waited.is_ok() || waited == Err(nix::Error::EINTR)
}
