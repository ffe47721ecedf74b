//! What the state is.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::dto::{
    Config, ErrorBody, GroupSummary, GroupView, ListenerDetail, ListenerView, Stats, Status, TargetView,
};
use super::super::failure::Failure;
use super::names;
use crate::agent::Handle;

/// The overview.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(agent): State<Handle>) -> Json<Status> {
    Json(Status::of(&agent.snapshot()))
}

/// The configuration in force: defaults filled in, runtime changes included.
#[utoipa::path(get, path = "/v1/config", responses((status = 200, body = Config)))]
pub(super) async fn config(State(agent): State<Handle>) -> Json<Config> {
    Json(Config::of(&agent.snapshot()))
}

/// All listeners, in the file's order.
#[utoipa::path(get, path = "/v1/listeners", responses((status = 200, body = Vec<ListenerView>)))]
pub(super) async fn listeners(State(agent): State<Handle>) -> Json<Vec<ListenerView>> {
    Json(ListenerView::all(&agent.snapshot()))
}

/// One listener, with its target group.
#[utoipa::path(
    get,
    path = "/v1/listeners/{name}",
    params(("name" = String, Path, description = "Name of the listener")),
    responses(
        (status = 200, body = ListenerDetail),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such listener", body = ErrorBody),
    )
)]
pub(super) async fn listener(
    State(agent): State<Handle>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ListenerDetail>, Failure> {
    let Path(name) = name?;
    let snapshot = agent.snapshot();
    let state = names::listener(&snapshot, &names::parse(&name)?)?;
    let groups = state.listener.served_by.groups().map(|name| names::group(&snapshot, name));
    let groups = groups.map(|group| group.map(|group| GroupView::of(&snapshot, group)));
    Ok(Json(ListenerDetail {
        listener: ListenerView::of(&snapshot, state),
        target_groups: groups.collect::<Result<_, _>>()?,
    }))
}

/// All target groups, in the file's order.
#[utoipa::path(get, path = "/v1/target-groups", responses((status = 200, body = Vec<GroupSummary>)))]
pub(super) async fn target_groups(State(agent): State<Handle>) -> Json<Vec<GroupSummary>> {
    Json(GroupSummary::all(&agent.snapshot()))
}

/// One target group, with its targets.
#[utoipa::path(
    get,
    path = "/v1/target-groups/{name}",
    params(("name" = String, Path, description = "Name of the target group")),
    responses(
        (status = 200, body = GroupView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such target group", body = ErrorBody),
    )
)]
pub(super) async fn target_group(
    State(agent): State<Handle>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<GroupView>, Failure> {
    let Path(name) = name?;
    let snapshot = agent.snapshot();
    let group = names::group(&snapshot, &names::parse(&name)?)?;
    Ok(Json(GroupView::of(&snapshot, group)))
}

/// Which targets to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TargetFilter {
    /// Name of the target group; all groups when left out.
    group: Option<String>,
}

/// All targets, or those of one group.
#[utoipa::path(
    get,
    path = "/v1/targets",
    params(TargetFilter),
    responses(
        (status = 200, body = Vec<TargetView>),
        (status = 400, description = "Not a name, or an unknown parameter", body = ErrorBody),
        (status = 404, description = "No such target group", body = ErrorBody),
    )
)]
pub(super) async fn targets(
    State(agent): State<Handle>,
    filter: Result<Query<TargetFilter>, QueryRejection>,
) -> Result<Json<Vec<TargetView>>, Failure> {
    let Query(filter) = filter?;
    let snapshot = agent.snapshot();
    let groups = match &filter.group {
        Some(name) => std::slice::from_ref(names::group(&snapshot, &names::parse(name)?)?),
        None => snapshot.groups.as_slice(),
    };
    let views = groups.iter().flat_map(|group| GroupView::of(&snapshot, group).targets);
    Ok(Json(views.collect()))
}

/// All counters.
#[utoipa::path(
    get,
    path = "/v1/stats",
    responses(
        (status = 200, body = Stats),
        (status = 500, description = "The kernel's counters can't be read", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn stats(State(agent): State<Handle>) -> Result<Json<Stats>, Failure> {
    let reading = agent.counters().await?;
    Ok(Json(Stats::of(&agent.snapshot(), &reading)))
}
