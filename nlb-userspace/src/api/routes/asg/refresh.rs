//! Instance refresh.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};

use super::super::super::dto::{AsgView, ErrorBody, StartRefresh};
use super::super::super::failure::Failure;
use super::{GroupPath, ask, view};
use crate::autoscale::engine::Command;
use crate::autoscale::runtime::Handle;

/// Makes all instances anew, from the group's template as it is configured now.
#[utoipa::path(
    post,
    path = "/v1/autoscaling-groups/{group}/refresh",
    params(GroupPath),
    request_body = StartRefresh,
    responses(
        (status = 200, description = "Begun", body = AsgView),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 409, description = "One is under way", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "The body is not as described", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn start(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
    body: Result<Json<StartRefresh>, JsonRejection>,
) -> Result<Json<AsgView>, Failure> {
    let (Path(path), Json(body)) = (path?, body?);
    let configured = view(&scaling, &path.group)?.engine.group().refresh.clone();
    let wrong = |problem| Failure::unprocessable(problem, "leave it out for what is configured");
    let settings = Some(body.over(configured).map_err(wrong)?);
    ask(&scaling, Ok(Path(path)), Command::StartRefresh { template: None, settings }).await
}

/// Stops the refresh; what is replaced stays.
#[utoipa::path(
    delete,
    path = "/v1/autoscaling-groups/{group}/refresh",
    params(GroupPath),
    responses(
        (status = 200, description = "Stopped", body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 409, description = "None is under way", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn cancel(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    ask(&scaling, path, Command::CancelRefresh).await
}

/// Stops the refresh, and makes all instances from the version before.
#[utoipa::path(
    post,
    path = "/v1/autoscaling-groups/{group}/refresh/rollback",
    params(GroupPath),
    responses(
        (status = 200, description = "Begun", body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 409, description = "None is under way, or there is no version before", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn roll_back(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    ask(&scaling, path, Command::RollbackRefresh).await
}
