//! What the packet path does with single packets, line by line.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use nlb_common::hash::Flow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::dto::{ErrorBody, Protocol};
use super::super::failure::Failure;
use crate::agent::Handle;
use crate::explain::MixedFamilies;
use crate::model;

/// Which packets to trace; what is left out matches everything.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TraceFilter {
    /// The client's address.
    #[param(value_type = Option<String>)]
    source: Option<IpAddr>,
    /// The client's port.
    source_port: Option<u16>,
    /// The VIP.
    #[param(value_type = Option<String>)]
    destination: Option<IpAddr>,
    /// The listener's port.
    destination_port: Option<u16>,
    /// Protocol.
    protocol: Option<Protocol>,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceLine {
    /// What happened to a packet.
    pub line: String,
}

/// Traces packets until the client closes the connection: one JSON object a line, as they come.
#[utoipa::path(
    get,
    path = "/v1/trace",
    params(TraceFilter),
    responses(
        (status = 200, description = "Lines, each a JSON object", content_type = "application/x-ndjson", body = TraceLine),
        (status = 400, description = "Not a flow", body = ErrorBody),
        (status = 409, description = "Another trace is running", body = ErrorBody),
        (status = 500, description = "The program can't be switched", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn trace(
    State(agent): State<Handle>,
    filter: Result<Query<TraceFilter>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(filter) = filter?;
    let lines = agent.trace(filter.flow()?).await?;
    let lines = stream::unfold(lines, |mut lines| async move {
        let line = lines.recv().await?;
        let mut json = serde_json::json!(TraceLine { line }).to_string();
        json.push('\n');
        Some((Ok::<_, Infallible>(json), lines))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

impl TraceFilter {
    fn flow(&self) -> Result<Flow, MixedFamilies> {
        if let (Some(source_ip), Some(destination_ip)) = (self.source, self.destination)
            && source_ip.is_ipv4() != destination_ip.is_ipv4()
        {
            return Err(MixedFamilies { source_ip, destination_ip });
        }
        Ok(Flow {
            source: self.source.map(Into::into).unwrap_or_default(),
            destination: self.destination.map(Into::into).unwrap_or_default(),
            source_port: self.source_port.unwrap_or_default().to_be(),
            destination_port: self.destination_port.unwrap_or_default().to_be(),
            protocol: self.protocol.map_or(0, |protocol| model::Protocol::from(protocol).number()),
            padding: [0; 3],
        })
    }
}
