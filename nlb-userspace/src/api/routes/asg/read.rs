//! What autoscaling groups are, and why.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use super::super::super::dto::{ActivityView, AsgSummary, AsgView, ErrorBody, ExplanationView, ForecastView};
use super::super::super::failure::Failure;
use super::{GroupPath, view};
use crate::autoscale::runtime::Handle;

/// All autoscaling groups that run, by name.
#[utoipa::path(get, path = "/v1/autoscaling-groups", responses((status = 200, body = Vec<AsgSummary>)))]
pub(super) async fn groups(State(scaling): State<Handle>) -> Json<Vec<AsgSummary>> {
    Json(scaling.views().values().map(|view| AsgSummary::of(view)).collect())
}

/// One autoscaling group, with its instances.
#[utoipa::path(
    get,
    path = "/v1/autoscaling-groups/{group}",
    params(GroupPath),
    responses(
        (status = 200, body = AsgView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
    )
)]
pub(super) async fn group(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<AsgView>, Failure> {
    let Path(GroupPath { group }) = path?;
    Ok(Json(AsgView::of(&*view(&scaling, &group)?)))
}

/// What a group did and why, the newest first.
#[utoipa::path(
    get,
    path = "/v1/autoscaling-groups/{group}/activities",
    params(GroupPath),
    responses(
        (status = 200, body = Vec<ActivityView>),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
    )
)]
pub(super) async fn activities(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<Vec<ActivityView>>, Failure> {
    let Path(GroupPath { group }) = path?;
    let view = view(&scaling, &group)?;
    Ok(Json(view.engine.activities().rev().map(ActivityView::from).collect()))
}

/// Why a group's capacity is what it is.
#[utoipa::path(
    get,
    path = "/v1/autoscaling-groups/{group}/explanation",
    params(GroupPath),
    responses(
        (status = 200, body = ExplanationView),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
    )
)]
pub(super) async fn explanation(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<ExplanationView>, Failure> {
    let Path(GroupPath { group }) = path?;
    Ok(Json(ExplanationView::of(&*view(&scaling, &group)?)))
}

/// What a group's predictive policies go by.
#[utoipa::path(
    get,
    path = "/v1/autoscaling-groups/{group}/forecasts",
    params(GroupPath),
    responses(
        (status = 200, body = Vec<ForecastView>),
        (status = 400, description = "Not a name", body = ErrorBody),
        (status = 404, description = "No such group", body = ErrorBody),
    )
)]
pub(super) async fn forecasts(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
) -> Result<Json<Vec<ForecastView>>, Failure> {
    let Path(GroupPath { group }) = path?;
    Ok(Json(ForecastView::all(&*view(&scaling, &group)?)))
}
