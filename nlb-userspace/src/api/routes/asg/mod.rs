//! Autoscaling groups: what they are, and what they can be asked for.

mod history;
mod hook;
mod instance;
mod read;
mod refresh;
mod scale;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::dto::AsgView;
use super::super::failure::Failure;
use super::{Served, names};
use crate::autoscale::engine::Command;
use crate::autoscale::model::Token;
use crate::autoscale::runtime::{Handle, Refusal, View};
use crate::model::Name;

/// The routes of autoscaling groups.
pub(super) fn all() -> OpenApiRouter<Served> {
    let long = OpenApiRouter::new().routes(routes!(history::import));
    long.layer(DefaultBodyLimit::max(history::LONGEST_BODY))
        .routes(routes!(read::groups))
        .routes(routes!(read::group))
        .routes(routes!(read::activities))
        .routes(routes!(read::explanation))
        .routes(routes!(read::forecasts))
        .routes(routes!(scale::set_desired))
        .routes(routes!(scale::suspend, scale::resume))
        .routes(routes!(instance::terminate))
        .routes(routes!(instance::protect, instance::unprotect))
        .routes(routes!(hook::complete))
        .routes(routes!(hook::heartbeat))
        .routes(routes!(refresh::start, refresh::cancel))
        .routes(routes!(refresh::roll_back))
}

/// A group by its name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct GroupPath {
    /// Name of the autoscaling group
    group: String,
}

/// An instance of a group.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct InstancePath {
    /// Name of the autoscaling group
    group: String,
    /// The instance, as `nlb asg show` names it
    instance: String,
}

impl InstancePath {
    fn token(&self) -> Token {
        Token(self.instance.clone())
    }
}

/// The group called `name`.
fn view(scaling: &Handle, name: &str) -> Result<std::sync::Arc<View>, Failure> {
    let group: Name = names::parse(name)?;
    let views = scaling.views();
    views.get(&group).cloned().ok_or_else(|| {
        let known = views.keys().map(ToString::to_string).collect();
        Refusal::UnknownGroup { group, known }.into()
    })
}

/// Asks a group for something, and shows it as it is afterwards.
async fn command(scaling: &Handle, group: &str, command: Command) -> Result<Json<AsgView>, Failure> {
    let name = names::parse(group)?;
    scaling.command(name, command).await?;
    Ok(Json(AsgView::of(&*view(scaling, group)?)))
}

/// Asks the group that a path names for something.
async fn ask(
    scaling: &Handle,
    path: Result<Path<GroupPath>, PathRejection>,
    wanted: Command,
) -> Result<Json<AsgView>, Failure> {
    let Path(GroupPath { group }) = path?;
    command(scaling, &group, wanted).await
}
