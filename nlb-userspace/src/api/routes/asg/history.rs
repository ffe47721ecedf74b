//! Recorded load.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};

use super::super::super::dto::{ErrorBody, ImportHistory, ImportReport};
use super::super::super::failure::Failure;
use super::super::names;
use super::{GroupPath, view};
use crate::autoscale::forecast::{History, Minutes};
use crate::autoscale::model::Metric;
use crate::autoscale::runtime::{Handle, Import};

/// Bytes of a body: a number in every minute of the longest time that is kept, and room to spare.
pub(super) const LONGEST_BODY: usize = 8 << 20;

/// Takes in a load that others recorded. Minutes whose load is given take the place of what was recorded of them; all of it is taken
/// in, or nothing. Forecasts learn from it anew.
#[utoipa::path(
    put,
    path = "/v1/autoscaling-groups/{group}/history",
    params(GroupPath),
    request_body = ImportHistory,
    responses(
        (status = 200, description = "Taken in", body = ImportReport),
        (status = 400, description = "Not a name, or a malformed body", body = ErrorBody),
        (status = 404, description = "No such group, or no policy of it forecasts that load", body = ErrorBody),
        (status = 413, description = "The body is too long", body = ErrorBody),
        (status = 415, description = "The body is not JSON", body = ErrorBody),
        (status = 422, description = "The body is not as described", body = ErrorBody),
        (status = 500, description = "The store can't be written", body = ErrorBody),
        (status = 503, description = "The agent is stopping", body = ErrorBody),
    )
)]
pub(super) async fn import(
    State(scaling): State<Handle>,
    path: Result<Path<GroupPath>, PathRejection>,
    body: Result<Json<ImportHistory>, JsonRejection>,
) -> Result<Json<ImportReport>, Failure> {
    let (Path(GroupPath { group }), Json(ImportHistory { metric, first, minutes })) = (path?, body?);
    let metric: Metric = metric.parse().map_err(|error: crate::autoscale::model::InvalidMetric| {
        Failure::unprocessable(error.to_string(), "give the `metric` of a predictive policy")
    })?;
    let most = usize::try_from(History::REACH.as_secs() / 60).unwrap_or(usize::MAX);
    if minutes.len() > most {
        let what = format!("{} minutes: at most {most} are kept", minutes.len());
        return Err(Failure::unprocessable(what, "leave the oldest out"));
    }
    if let Some((index, value)) = minutes.iter().enumerate().find(|(_, value)| value.is_some_and(|value| value < 0.0)) {
        let what = format!("`minutes[{index}]` is {}: a load is at least 0", value.unwrap_or_default());
        return Err(Failure::unprocessable(what, "give `null` where the load isn't known"));
    }
    let count = minutes.iter().flatten().count();
    let import = Import { metric: metric.clone(), minutes: Minutes { first: first.into(), values: minutes } };
    scaling.import(names::parse(&group)?, import).await?;
    let view = view(&scaling, &group)?;
    let outlooks = view.forecasts.iter().filter(|(_, outlook)| outlook.rule.load == metric);
    let (policies, missing): (Vec<_>, Vec<_>) =
        outlooks.map(|(policy, outlook)| (policy.to_string(), outlook.minutes_missing)).unzip();
    let minutes_missing = missing.into_iter().max().unwrap_or_default();
    Ok(Json(ImportReport { metric: metric.to_string(), policies, minutes: count, minutes_missing }))
}
