//! What comes from the agent bit by bit, until the asker has had enough.

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;

use super::super::routes::TraceLine;
use super::{Client, ClientError};
use crate::capture::{Block, Splitter};

/// An answer that goes on. Dropping it tells the agent that nobody reads any more.
#[derive(Debug)]
pub(super) struct Stream {
    client: Client,
    body: Incoming,
}

impl Stream {
    pub(super) const fn new(client: Client, body: Incoming) -> Self {
        Self { client, body }
    }

    /// Appends what comes next. `false`: that was all.
    async fn more(&mut self, pending: &mut Vec<u8>) -> Result<bool, ClientError> {
        let Some(frame) = self.body.frame().await else { return Ok(false) };
        let frame = frame.map_err(|source| self.client.broken(source))?;
        pending.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
        Ok(true)
    }
}

/// The lines of a running trace.
#[derive(Debug)]
pub struct TraceLines {
    stream: Stream,
    pending: Vec<u8>,
}

impl TraceLines {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// The next line, `None` when the agent ended the trace.
    pub async fn next(&mut self) -> Result<Option<TraceLine>, ClientError> {
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return self.stream.client.parse(StatusCode::OK, &line).map(Some);
            }
            if !self.stream.more(&mut self.pending).await? {
                return Ok(None);
            }
        }
    }
}

/// What to capture; what is `None` has no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaptureRequest {
    /// A filter.
    pub filter: String,
    /// One packet of so many, by chance.
    pub sample: u32,
    /// Bytes that are kept of each frame.
    pub snaplen: u32,
    /// Packets after which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Milliseconds after which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// The blocks of a running capture.
pub struct CaptureBlocks {
    stream: Stream,
    splitter: Splitter,
}

impl CaptureBlocks {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, splitter: Splitter::default() }
    }

    /// The next blocks, one at least; `None` when the agent ended the capture.
    pub async fn next(&mut self) -> Result<Option<Vec<Block>>, ClientError> {
        let mut blocks = Vec::new();
        loop {
            while let Some(block) = self.block()? {
                blocks.push(block);
            }
            if !blocks.is_empty() {
                return Ok(Some(blocks));
            }
            if !self.stream.more(self.splitter.pending()).await? {
                return Ok(None);
            }
        }
    }

    fn block(&mut self) -> Result<Option<Block>, ClientError> {
        let block = self.splitter.next_block();
        block.map_err(|source| ClientError::NoCapture { socket: self.stream.client.socket.clone(), source })
    }
}
