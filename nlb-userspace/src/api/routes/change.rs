//! What changes the state.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::dto::{ChangeReport, ErrorBody, ListenerChangeReport, Register, ReloadReport, SetShares, SetWeight};
use super::super::failure::Failure;
use super::names;
use crate::agent::Handle;
use crate::control::Change;
use crate::model::{GroupShare, Target, TargetKey};

/// A target by its name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TargetPath {
    /// Name of the target group
    group: String,
    /// `address:port`, or the address alone when it is the only one
    target: String,
}

/// Adds a target to a group. It gets traffic once its first health checks pass.
#[utoipa::path(
    post,
    path = "/v1/target-groups/{group}/targets",
    params(("group" = String, Path, description = "Name of the target group")),
    request_body = Register,
    responses(
        (status = 201, description = "Registered", body = ChangeReport),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such target group", body = ErrorBody),
        (status = 409, description = "Registered already", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "No port to take, or no room", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn register(
    State(agent): State<Handle>,
    group: Result<Path<String>, PathRejection>,
    body: Result<Json<Register>, JsonRejection>,
) -> Result<(StatusCode, Json<ChangeReport>), Failure> {
    let (Path(group), Json(body)) = (group?, body?);
    let group = names::parse(&group)?;
    let snapshot = agent.snapshot();
    names::group(&snapshot, &group)?;
    let port = match body.port {
        Some(0) => return Err(Failure::unprocessable("0 is not a port", "give a port from 1 to 65535")),
        Some(port) => port,
        None => names::only_port(&snapshot, &group)?,
    };
    let (weight, quic_server_id) = (body.weight.unwrap_or_default(), body.quic_server_id);
    let target = Target { address: body.address, port, zone: body.zone, weight, quic_server_id };
    let report = agent.change(Change::Register { group, target }).await?;
    Ok((StatusCode::CREATED, Json(report.into())))
}

/// Takes a target out of its group.
#[utoipa::path(
    delete,
    path = "/v1/target-groups/{group}/targets/{target}",
    params(TargetPath),
    responses(
        (status = 200, description = "Deregistered", body = ChangeReport),
        (status = 400, description = "Not a name or an address", body = ErrorBody),
        (status = 404, description = "No such target group or target", body = ErrorBody),
        (status = 422, description = "Several targets have that address", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn deregister(
    State(agent): State<Handle>,
    path: Result<Path<TargetPath>, PathRejection>,
) -> Result<Json<ChangeReport>, Failure> {
    change(&agent, path, |target| Change::Deregister { target }).await
}

/// Gives a target another weight.
#[utoipa::path(
    put,
    path = "/v1/target-groups/{group}/targets/{target}/weight",
    params(TargetPath),
    request_body = SetWeight,
    responses(
        (status = 200, description = "Set", body = ChangeReport),
        (status = 400, description = "Not a name or an address, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such target group or target", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "No weight, or several targets have that address", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn set_weight(
    State(agent): State<Handle>,
    path: Result<Path<TargetPath>, PathRejection>,
    body: Result<Json<SetWeight>, JsonRejection>,
) -> Result<Json<ChangeReport>, Failure> {
    let Json(SetWeight { weight }) = body?;
    change(&agent, path, |target| Change::SetWeight { target, weight }).await
}

/// Gives a target no new flows. Those it has stay for the group's deregistration delay.
#[utoipa::path(
    put,
    path = "/v1/target-groups/{group}/targets/{target}/drain",
    params(TargetPath),
    responses(
        (status = 200, description = "It is drained", body = ChangeReport),
        (status = 400, description = "Not a name or an address", body = ErrorBody),
        (status = 404, description = "No such target group or target", body = ErrorBody),
        (status = 409, description = "It is drained already", body = ErrorBody),
        (status = 422, description = "Several targets have that address", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn drain(
    State(agent): State<Handle>,
    path: Result<Path<TargetPath>, PathRejection>,
) -> Result<Json<ChangeReport>, Failure> {
    change(&agent, path, |target| Change::Drain { target }).await
}

/// Ends a drain: the target gets new flows again.
#[utoipa::path(
    delete,
    path = "/v1/target-groups/{group}/targets/{target}/drain",
    params(TargetPath),
    responses(
        (status = 200, description = "It is drained no longer", body = ChangeReport),
        (status = 400, description = "Not a name or an address", body = ErrorBody),
        (status = 404, description = "No such target group or target", body = ErrorBody),
        (status = 409, description = "It is not drained", body = ErrorBody),
        (status = 422, description = "Several targets have that address", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn undrain(
    State(agent): State<Handle>,
    path: Result<Path<TargetPath>, PathRejection>,
) -> Result<Json<ChangeReport>, Failure> {
    change(&agent, path, |target| Change::Undrain { target }).await
}

/// Gives target groups that share a listener other weights.
#[utoipa::path(
    put,
    path = "/v1/listeners/{name}/weights",
    params(("name" = String, Path, description = "Name of the listener")),
    request_body = SetShares,
    responses(
        (status = 200, description = "Set", body = ListenerChangeReport),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such listener", body = ErrorBody),
        (status = 409, description = "The listener has one group, and no weights", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "No weight, not a group of the listener, or none would have a weight", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn set_shares(
    State(agent): State<Handle>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<SetShares>, JsonRejection>,
) -> Result<Json<ListenerChangeReport>, Failure> {
    let (Path(name), Json(SetShares { shares })) = (name?, body?);
    if shares.is_empty() {
        return Err(Failure::unprocessable("no group is named", "name a group with its new weight"));
    }
    let shares = shares.into_iter().map(GroupShare::from).collect();
    let report = agent.change(Change::SetShares { listener: names::parse(&name)?, shares }).await?;
    Ok(Json(report.into()))
}

/// Reads the configuration file again and applies what differs.
#[utoipa::path(
    post,
    path = "/v1/reload",
    responses(
        (status = 200, description = "What it changed", body = ReloadReport),
        (status = 422, description = "The file is not valid; nothing was changed", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn reload(State(agent): State<Handle>) -> Result<Json<ReloadReport>, Failure> {
    Ok(Json(agent.reload().await?.into()))
}

/// Changes the target that a path names.
async fn change(
    agent: &Handle,
    path: Result<Path<TargetPath>, PathRejection>,
    change: impl FnOnce(TargetKey) -> Change,
) -> Result<Json<ChangeReport>, Failure> {
    let Path(TargetPath { group, target }) = path?;
    let snapshot = agent.snapshot();
    let target = names::target(names::group(&snapshot, &names::parse(&group)?)?, &target)?;
    Ok(Json(agent.change(change(target)).await?.into()))
}
