//! Packets as they come and as they leave, as a pcapng file that grows.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use nlb_common::capture::{MOST, Order};
use pcap_file::PcapError;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::super::dto::ErrorBody;
use super::super::failure::Failure;
use crate::agent::Handle;
use crate::capture::{Blocks, Fate, Filter, FilteredTarget, SNAPLEN};
use crate::dataplane::{CaptureEvent, CapturedPacket, Captures};

/// The media type that Wireshark has for its files.
const PCAPNG: &str = "application/x-pcapng";

/// Packets that one chunk of the answer takes at most.
const BATCH: usize = 256;

/// What to capture; what is left out has no bound.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CaptureQuery {
    /// Conditions, joined by `and`: `host ADDRESS`, `net CIDR`, `port PORTS`, `proto NAME`, `vip ADDRESS`, `listener NAME`, `target
    /// TARGET`, `dropped`.
    #[param(example = "listener web and dropped")]
    filter: Option<String>,
    /// One packet of so many is captured, by chance; 1, unless said otherwise.
    #[param(minimum = 1)]
    sample: Option<u32>,
    /// Bytes that are kept of each frame; 256, unless said otherwise.
    #[param(minimum = 1, maximum = 9216)]
    snaplen: Option<u32>,
    /// Packets after which the capture ends.
    count: Option<u64>,
    /// Milliseconds after which it ends.
    duration_ms: Option<u64>,
}

/// Captures packets until the client closes the connection, or as many or for as long as was asked for. Interface 0 of the file has
/// packets as they came, 1 as they left; a packet's comment says what became of it. One capture at a time.
#[utoipa::path(
    get,
    path = "/v1/capture",
    params(CaptureQuery),
    responses(
        (status = 200, description = "A pcapng file", content_type = "application/x-pcapng", body = String),
        (status = 400, description = "Not a filter, or a number out of its range", body = ErrorBody),
        (status = 404, description = "No listener of that name", body = ErrorBody),
        (status = 409, description = "Another capture is running", body = ErrorBody),
        (status = 500, description = "The program can't be switched", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn capture(
    State(agent): State<Handle>,
    query: Result<Query<CaptureQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query?;
    let filter: Filter = query.filter.as_deref().unwrap_or_default().parse()?;
    let order = query.order(&agent, &filter)?;
    let blocks = Blocks::begin(&filter, order.keep)?;
    let capture = Capture {
        packets: agent.capture(order).await?,
        agent,
        target: filter.target(),
        blocks,
        left: query.count,
        ends: query.duration_ms.and_then(|limit| Instant::now().checked_add(Duration::from_millis(limit))),
    };
    let chunks = stream::unfold(capture, |mut capture| async move {
        let chunk = capture.chunk().await?;
        Some((Ok::<_, Infallible>(chunk), capture))
    });
    Ok(([(CONTENT_TYPE, PCAPNG)], Body::from_stream(chunks)).into_response())
}

impl CaptureQuery {
    fn order(&self, agent: &Handle, filter: &Filter) -> Result<Order, Failure> {
        let snapshot = agent.snapshot();
        let listeners: Vec<_> = snapshot.listeners.iter().map(|state| &state.listener).collect();
        let pattern = filter.pattern(&listeners)?;
        let keep = self.snaplen.unwrap_or(SNAPLEN);
        if keep == 0 || usize::try_from(keep).is_ok_and(|keep| keep > MOST) {
            return Err(Failure::bad_request(
                format!("{keep} bytes of each frame can't be kept"),
                format!("keep 1 to {MOST}"),
            ));
        }
        if self.sample == Some(0) {
            return Err(Failure::bad_request("no packet is one of 0", "a sample is one of 1 or more"));
        }
        Ok(Order { until: 0, pattern, chance: Order::one_in(self.sample.unwrap_or(1)), keep })
    }
}

/// A capture on its way to whoever asked.
struct Capture {
    agent: Handle,
    packets: Captures,
    target: Option<FilteredTarget>,
    blocks: Blocks,
    left: Option<u64>,
    ends: Option<Instant>,
}

impl Capture {
    /// What comes next; `None` at the end. The first is the head of the file.
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            let chunk = self.blocks.take();
            if !chunk.is_empty() {
                return Some(chunk);
            }
            if self.left == Some(0) {
                return None;
            }
            let event = match self.ends {
                Some(ends) => timeout_at(ends, self.packets.recv()).await.ok()??,
                None => self.packets.recv().await?,
            };
            // The head was made the same way, so this can't fail either.
            self.add(event).ok()?;
            for _ in 1..BATCH {
                let Ok(event) = self.packets.try_recv() else { break };
                self.add(event).ok()?;
            }
        }
    }

    fn add(&mut self, event: CaptureEvent) -> Result<(), PcapError> {
        match event {
            CaptureEvent::Lost(packets) => self.blocks.lost(packets),
            CaptureEvent::Packet(packet) => self.add_packet(&packet),
        }
    }

    fn add_packet(&mut self, packet: &CapturedPacket) -> Result<(), PcapError> {
        let snapshot = self.agent.snapshot();
        let fate = Fate::of(&snapshot, packet);
        if self.left == Some(0) || self.target.is_some_and(|target| !fate.is_about(target)) {
            return Ok(());
        }
        self.left = self.left.map(|left| left - 1);
        self.blocks.packet(packet, &fate.to_string())
    }
}
