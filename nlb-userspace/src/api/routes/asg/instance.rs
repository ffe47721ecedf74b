//! One instance of a group.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::dto::{AsgView, ErrorBody};
use super::super::super::failure::Failure;
use super::{InstancePath, command};
use crate::autoscale::engine::Command;
use crate::autoscale::runtime::Handle;

/// How an instance is ended.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HowTerminated {
    /// Whether the capacity falls with it; otherwise the instance is replaced
    #[serde(default)]
    decrement: bool,
}

/// Ends this very instance, once its targets are drained.
#[utoipa::path(
    delete,
    path = "/v1/autoscaling-groups/{group}/instances/{instance}",
    params(InstancePath, HowTerminated),
    responses(
        (status = 200, description = "It is on its way out", body = AsgView),
        (status = 400, description = "Not a name, or a malformed query", body = ErrorBody),
        (status = 404, description = "No such group or instance", body = ErrorBody),
        (status = 409, description = "On its way out already, or below the least capacity", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn terminate(
    State(scaling): State<Handle>,
    path: Result<Path<InstancePath>, PathRejection>,
    how: Result<Query<HowTerminated>, QueryRejection>,
) -> Result<Json<AsgView>, Failure> {
    let (Path(path), Query(HowTerminated { decrement })) = (path?, how?);
    let wanted = Command::Terminate { token: path.token(), decrement };
    command(&scaling, &path.group, wanted).await
}

/// Protects an instance from scale-in.
#[utoipa::path(
    put,
    path = "/v1/autoscaling-groups/{group}/instances/{instance}/protection",
    params(InstancePath),
    responses(
        (status = 200, description = "Protected", body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group or instance", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn protect(
    State(scaling): State<Handle>,
    path: Result<Path<InstancePath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    set_protection(&scaling, path, true).await
}

/// Lets scale-in end an instance again.
#[utoipa::path(
    delete,
    path = "/v1/autoscaling-groups/{group}/instances/{instance}/protection",
    params(InstancePath),
    responses(
        (status = 200, description = "Protected no longer", body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group or instance", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn unprotect(
    State(scaling): State<Handle>,
    path: Result<Path<InstancePath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    set_protection(&scaling, path, false).await
}

async fn set_protection(
    scaling: &Handle,
    path: Result<Path<InstancePath>, PathRejection>,
    protected: bool,
) -> Result<Json<AsgView>, Failure> {
    let Path(path) = path?;
    command(scaling, &path.group, Command::Protect { token: path.token(), protected }).await
}
