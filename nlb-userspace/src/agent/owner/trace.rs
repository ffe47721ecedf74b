//! The packet trace: switched on for one asker at a time, and off when nobody takes its lines any more.

use nlb_common::hash::Flow;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::Owner;
use crate::agent::handle::TraceError;
use crate::dataplane::{Dataplane, TraceLines};

/// Lines that wait for a slow reader.
const LINES: usize = 1024;

/// Hands lines on from the kernel to whoever asked for them.
#[derive(Debug, Default)]
pub(super) struct Relay(Option<JoinHandle<()>>);

impl Relay {
    /// Begins to hand `lines` on. Gives where they come out.
    fn begin(&mut self, mut lines: TraceLines) -> TraceLines {
        let (relay, taken) = mpsc::channel(LINES);
        self.0 = Some(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = relay.closed() => break,
                    line = lines.recv() => match line {
                        Some(line) => drop(relay.send(line).await),
                        None => break,
                    },
                }
            }
        }));
        taken
    }

    /// Whether a trace was begun and not ended.
    pub(super) const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until nobody takes the lines any more.
    pub(super) async fn over(&mut self) {
        if let Some(task) = &mut self.0 {
            // A relay that panicked is over too.
            drop(task.await);
        }
    }
}

impl<D: Dataplane> Owner<D> {
    /// Switches the trace on for `flow`.
    pub(super) fn begin_trace(&mut self, flow: Flow) -> Result<TraceLines, TraceError> {
        if self.trace.is_running() {
            return Err(TraceError::Busy);
        }
        let lines = self.dataplane.trace(Some(flow))?.ok_or(TraceError::Busy)?;
        let taken = self.trace.begin(lines);
        info!("the packet trace begins");
        Ok(taken)
    }

    /// Switches it off.
    pub(super) fn end_trace(&mut self) {
        self.trace = Relay::default();
        match self.dataplane.trace(None) {
            Ok(_) => info!("the packet trace ends"),
            Err(error) => error!("the packet trace can't be switched off: {error}"),
        }
        self.publish();
    }
}
