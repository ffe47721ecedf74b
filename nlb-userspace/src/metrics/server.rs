//! Answers scrapes over TCP.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::HealthChecks;
use crate::agent::Handle;

/// What is sent, as OpenMetrics names it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The endpoint can't be served.
#[derive(Debug, thiserror::Error)]
#[error("no Prometheus endpoint at {address}: {source}; set another `agent.metrics`, or leave it out")]
pub struct MetricsError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The endpoint, bound to its address and not yet answering.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds `address`.
    pub async fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it is bound: with the port that the system chose, when 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers `GET /metrics` until `stop` is done.
    pub async fn serve(
        self,
        agent: Handle,
        checks: HealthChecks,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), MetricsError> {
        let router = Router::new().route("/metrics", get(scrape)).with_state((agent, checks));
        let served = tokio::select! {
            served = async { axum::serve(self.listener, router).await } => served,
            () = stop => Ok(()),
        };
        served.map_err(|source| MetricsError { address: self.address, source })
    }
}

async fn scrape(State((agent, checks)): State<(Handle, HealthChecks)>) -> Response {
    let reading = agent.counters().await.ok();
    match super::render(agent.snapshot(), reading, &checks) {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
