//! Lifecycle hooks that wait for an answer.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::dto::{AsgView, CompleteHook, ErrorBody};
use super::super::super::failure::Failure;
use super::super::names;
use super::command;
use crate::autoscale::engine::Command;
use crate::autoscale::model::Token;
use crate::autoscale::runtime::Handle;

/// A hook that holds an instance.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct HookPath {
    /// Name of the autoscaling group
    group: String,
    /// The instance, as `nlb asg show` names it
    instance: String,
    /// Name of the hook
    hook: String,
}

/// Says how an instance goes on from a hook.
#[utoipa::path(
    post,
    path = "/v1/autoscaling-groups/{group}/instances/{instance}/hooks/{hook}",
    params(HookPath),
    request_body = CompleteHook,
    responses(
        (status = 200, description = "It goes on", body = AsgView),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such group or instance", body = ErrorBody),
        (status = 409, description = "The instance does not wait for that hook", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "The body is not as described", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn complete(
    State(scaling): State<Handle>,
    path: Result<Path<HookPath>, PathRejection>,
    body: Result<Json<CompleteHook>, JsonRejection>,
) -> Result<Json<AsgView>, Failure> {
    let (Path(HookPath { group, instance, hook }), Json(CompleteHook { result })) = (path?, body?);
    let wanted = Command::CompleteHook { token: Token(instance), hook: names::parse(&hook)?, result: result.into() };
    command(&scaling, &group, wanted).await
}

/// Says that a hook still works: its time begins anew.
#[utoipa::path(
    post,
    path = "/v1/autoscaling-groups/{group}/instances/{instance}/hooks/{hook}/heartbeat",
    params(HookPath),
    responses(
        (status = 200, description = "It waits on", body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group or instance", body = ErrorBody),
        (status = 409, description = "The instance does not wait for that hook", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn heartbeat(
    State(scaling): State<Handle>,
    path: Result<Path<HookPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    let Path(HookPath { group, instance, hook }) = path?;
    command(&scaling, &group, Command::Heartbeat { token: Token(instance), hook: names::parse(&hook)? }).await
}
