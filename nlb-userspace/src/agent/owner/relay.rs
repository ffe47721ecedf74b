//! The packet trace and captures: each switched on for one asker at a time, and off when nobody takes what it tells any more.

use nlb_common::capture::Order;
use nlb_common::hash::Flow;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::Owner;
use crate::agent::handle::{CaptureError, TraceError};
use crate::dataplane::{Captures, Dataplane, TraceLines};

/// Lines or packets that wait for a slow reader.
const WAITING: usize = 1024;

/// Hands on what the kernel tells to whoever asked for it.
#[derive(Debug, Default)]
pub(super) struct Relay(Option<JoinHandle<()>>);

impl Relay {
    /// Begins to hand on what is `told`. Gives where it comes out.
    fn begin<T: Send + 'static>(&mut self, mut told: Receiver<T>) -> Receiver<T> {
        let (relay, taken) = mpsc::channel(WAITING);
        self.0 = Some(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = relay.closed() => break,
                    told = told.recv() => match told {
                        Some(told) => drop(relay.send(told).await),
                        None => break,
                    },
                }
            }
        }));
        taken
    }

    /// Whether something was begun and not ended.
    pub(super) const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until nobody takes it any more.
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

    /// Switches a capture on.
    pub(super) fn begin_capture(&mut self, order: Order) -> Result<Captures, CaptureError> {
        if self.capture.is_running() {
            return Err(CaptureError::Busy);
        }
        let captures = self.dataplane.capture(Some(order))?.ok_or(CaptureError::Busy)?;
        let taken = self.capture.begin(captures);
        info!("a capture begins");
        Ok(taken)
    }

    /// Switches it off.
    pub(super) fn end_capture(&mut self) {
        self.capture = Relay::default();
        match self.dataplane.capture(None) {
            Ok(_) => info!("the capture ends"),
            Err(error) => error!("the capture can't be switched off: {error}"),
        }
        self.publish();
    }
}
