//! Why a flow goes where it goes.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::dto::{ErrorBody, Protocol};
use super::super::failure::Failure;
use crate::agent::Handle;
use crate::explain::{self, Explanation, FlowQuery};

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
    let query = FlowQuery::new(
        SocketAddr::new(query.source, query.source_port),
        SocketAddr::new(query.destination, query.destination_port),
        query.protocol.into(),
    )?;
    let pin = agent.pin(explain::known_as(&agent.snapshot(), &query)).await?;
    Ok(Json(explain::explain(&agent.snapshot(), &query, pin.as_ref())))
}
