//! Every route, declared once: for axum and for the OpenAPI document.

mod asg;
mod capture;
mod change;
mod explain;
mod names;
mod read;
mod trace;

pub use trace::TraceLine;

use axum::extract::FromRef;
use axum::http::{Method, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::failure::Failure;
use crate::agent::Handle;
use crate::autoscale::runtime as scaling;

/// What the routes answer for.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// Traffic.
    pub(super) agent: Handle,
    /// Autoscaling groups.
    pub(super) scaling: scaling::Handle,
}

impl FromRef<Served> for Handle {
    fn from_ref(served: &Served) -> Self {
        served.agent.clone()
    }
}

impl FromRef<Served> for scaling::Handle {
    fn from_ref(served: &Served) -> Self {
        served.scaling.clone()
    }
}

/// All routes of version 1.
pub(super) fn all() -> OpenApiRouter<Served> {
    OpenApiRouter::new()
        .routes(routes!(read::status))
        .routes(routes!(read::config))
        .routes(routes!(read::listeners))
        .routes(routes!(read::listener))
        .routes(routes!(read::target_groups))
        .routes(routes!(read::target_group))
        .routes(routes!(read::targets))
        .routes(routes!(read::stats))
        .routes(routes!(change::register))
        .routes(routes!(change::deregister))
        .routes(routes!(change::set_weight))
        .routes(routes!(change::drain, change::undrain))
        .routes(routes!(change::set_shares))
        .routes(routes!(change::reload))
        .routes(routes!(explain::explain))
        .routes(routes!(explain::explain_packet))
        .routes(routes!(trace::trace))
        .routes(routes!(capture::capture))
        .merge(asg::all())
}

/// The answer to a path that is not there.
pub(super) async fn unknown_path(uri: Uri) -> Failure {
    Failure::not_found(format!("no path {}", uri.path()), "see the paths in openapi.json")
}

/// The answer to a method that a path does not have.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Failure {
    Failure::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        format!("{} does not answer {method}", uri.path()),
        "see the path's methods in openapi.json",
    )
}
