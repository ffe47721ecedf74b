//! A group's capacity, and what it does by itself.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::super::dto::{AsgView, ErrorBody, SetDesired};
use super::super::super::failure::Failure;
use super::{GroupPath, ask, command};
use crate::autoscale::engine::Command;
use crate::autoscale::model::Process;
use crate::autoscale::runtime::Handle;

/// What a group does by itself.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ProcessPath {
    /// Name of the autoscaling group
    group: String,
    /// `launch`, `terminate`, `add_to_load_balancer`, `alarm_notification`, `zone_rebalance`, `health_check`,
    /// `instance_refresh`, `replace_unhealthy` or `scheduled_actions`
    process: String,
}

/// Makes the capacity so many; policies go on from there.
#[utoipa::path(
    put,
    path = "/v1/autoscaling-groups/{group}/desired",
    params(GroupPath),
    request_body = SetDesired,
    responses(
        (status = 200, description = "Set", body = AsgView),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 409, description = "Beyond the group's bounds", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "The body is not as described", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn set_desired(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
    body: Result<Json<SetDesired>, JsonRejection>,
) -> Result<Json<AsgView>, Failure> {
    let Json(SetDesired { desired }) = body?;
    ask(&scaling, path, Command::SetDesired(desired)).await
}

/// Stops something that the group does by itself.
#[utoipa::path(
    put,
    path = "/v1/autoscaling-groups/{group}/suspended/{process}",
    params(ProcessPath),
    responses(
        (status = 200, description = "Suspended", body = AsgView),
        (status = 400, description = "Not a name, or no such process", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn suspend(
    State(scaling): State<Handle>,
    path: Result<Path<ProcessPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    let (group, process) = process(path)?;
    command(&scaling, &group, Command::Suspend(process)).await
}

/// Lets the group do it again.
#[utoipa::path(
    delete,
    path = "/v1/autoscaling-groups/{group}/suspended/{process}",
    params(ProcessPath),
    responses(
        (status = 200, description = "It goes on", body = AsgView),
        (status = 400, description = "Not a name, or no such process", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn resume(
    State(scaling): State<Handle>,
    path: Result<Path<ProcessPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    let (group, process) = process(path)?;
    command(&scaling, &group, Command::Resume(process)).await
}

fn process(path: Result<Path<ProcessPath>, PathRejection>) -> Result<(String, Process), Failure> {
    let Path(ProcessPath { group, process }) = path?;
    let known = Process::ALL.into_iter().find(|known| known.as_str() == process);
    let known = known.ok_or_else(|| {
        let all: Vec<_> = Process::ALL.iter().map(|process| process.as_str()).collect();
        Failure::bad_request(format!("no process `{process}`"), format!("use one of {}", all.join(", ")))
    })?;
    Ok((group, known))
}
