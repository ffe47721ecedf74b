//! Why a flow or a packet goes where it goes.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::dto::{ErrorBody, Protocol};
use super::super::failure::Failure;
use crate::agent::Handle;
use crate::explain::{self, Explanation, FlowQuery, Frame};
use crate::model::InvalidConnectionId;

/// A flow.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplainQuery {
    /// The client's address.
    #[param(value_type = String, example = "198.51.100.7")]
    source: IpAddr,
    /// The client's port.
    source_port: u16,
    /// The VIP.
    #[param(value_type = String, example = "192.0.2.10")]
    destination: IpAddr,
    /// The listener's port.
    destination_port: u16,
    /// Protocol.
    protocol: Protocol,
    /// The connection id of a packet of QUIC, in hexadecimal: of a listener with `quic`.
    #[param(example = "000a07")]
    connection_id: Option<String>,
}

/// Which listener, slot and target a flow gets, and why.
#[utoipa::path(
    get,
    path = "/v1/explain",
    params(ExplainQuery),
    responses(
        (status = 200, body = Explanation),
        (status = 400, description = "Not a flow", body = ErrorBody),
        (status = 500, description = "The tables of remembered flows can't be read", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn explain(
    State(agent): State<Handle>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<Explanation>, Failure> {
    let Query(query) = query?;
    let flow = FlowQuery::new(
        SocketAddr::new(query.source, query.source_port),
        SocketAddr::new(query.destination, query.destination_port),
        query.protocol.into(),
    )?;
    let query = match query.connection_id {
        None => flow,
        Some(text) => flow.with_connection_id(text.parse().map_err(|error: InvalidConnectionId| {
            Failure::bad_request(format!("{text:?} is no connection id"), error.to_string())
        })?),
    };
    let pin = agent.pin(explain::known_as(&agent.snapshot(), &query)).await?;
    Ok(Json(explain::explain(&agent.snapshot(), &query, pin.as_ref())))
}

/// A packet.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PacketQuery {
    /// Length of the frame in bytes, when not all of it is sent: its headers are enough.
    #[param(maximum = 65549)]
    length: Option<usize>,
}

/// The longest frame: an IPv4 packet can't be longer, and a longer IPv6 packet is no packet of ours.
const LONGEST: usize = 14 + 65_535;

/// What happens to a packet, from its Ethernet header on, and why. An ICMP error is followed to the target of the flow that it is
/// about.
#[utoipa::path(
    post,
    path = "/v1/explain/packet",
    params(PacketQuery),
    request_body(content = String, content_type = "application/octet-stream", description = "The frame, as it came by an Ethernet"),
    responses(
        (status = 200, body = Explanation),
        (status = 400, description = "Not a packet", body = ErrorBody),
        (status = 413, description = "Longer than any packet", body = ErrorBody),
        (status = 500, description = "The tables of remembered flows can't be read", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn explain_packet(
    State(agent): State<Handle>,
    query: Result<Query<PacketQuery>, QueryRejection>,
    frame: Result<Bytes, BytesRejection>,
) -> Result<Json<Explanation>, Failure> {
    let (Query(query), frame) = (query?, frame?);
    let length = query.length.unwrap_or(frame.len());
    if length < frame.len() || length > LONGEST {
        return Err(Failure::bad_request(
            format!("a frame of {length} bytes of which {} are sent", frame.len()),
            format!("a frame has {LONGEST} bytes at most, and no fewer than are sent"),
        ));
    }
    let frame = Frame::new(frame.to_vec(), length);
    let pin = match frame.flow(&agent.snapshot()) {
        Some(flow) => agent.pin(flow).await?,
        None => None,
    };
    Ok(Json(explain::explain_packet(&agent.snapshot(), &frame, pin.as_ref())))
}
