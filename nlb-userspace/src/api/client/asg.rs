//! Autoscaling groups.

use axum::http::Method;

use super::{Client, ClientError};
use crate::api::dto::{
    ActivityView, AsgSummary, AsgView, CompleteHook, ExplanationView, ForecastView, ImportHistory, ImportReport,
    SetDesired, StartRefresh,
};
use crate::autoscale::model::{Process, Token};
use crate::model::Name;

impl Client {
    /// All autoscaling groups.
    pub async fn autoscaling_groups(&self) -> Result<Vec<AsgSummary>, ClientError> {
        self.get("/v1/autoscaling-groups").await
    }

    /// One autoscaling group.
    pub async fn autoscaling_group(&self, group: &Name) -> Result<AsgView, ClientError> {
        self.get(&format!("/v1/autoscaling-groups/{group}")).await
    }

    /// What it did, the newest first.
    pub async fn activities(&self, group: &Name) -> Result<Vec<ActivityView>, ClientError> {
        self.get(&format!("/v1/autoscaling-groups/{group}/activities")).await
    }

    /// Why its capacity is what it is.
    pub async fn explain_group(&self, group: &Name) -> Result<ExplanationView, ClientError> {
        self.get(&format!("/v1/autoscaling-groups/{group}/explanation")).await
    }

    /// What its predictive policies go by.
    pub async fn forecasts(&self, group: &Name) -> Result<Vec<ForecastView>, ClientError> {
        self.get(&format!("/v1/autoscaling-groups/{group}/forecasts")).await
    }

    /// Takes in a load that others recorded.
    pub async fn import_history(&self, group: &Name, history: &ImportHistory) -> Result<ImportReport, ClientError> {
        self.call(Method::PUT, &format!("/v1/autoscaling-groups/{group}/history"), Some(history)).await
    }

    /// Makes its capacity so many.
    pub async fn set_desired(&self, group: &Name, desired: u32) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/desired");
        self.call(Method::PUT, &path, Some(&SetDesired { desired })).await
    }

    /// Stops something that it does by itself, or lets it do that again.
    pub async fn suspend(&self, group: &Name, process: Process, suspended: bool) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/suspended/{process}");
        self.call(put_or_delete(suspended), &path, None::<&()>).await
    }

    /// Protects an instance from scale-in, or no longer.
    pub async fn protect(&self, group: &Name, token: &Token, protected: bool) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/instances/{token}/protection");
        self.call(put_or_delete(protected), &path, None::<&()>).await
    }

    /// Ends an instance; by wish the capacity falls with it.
    pub async fn terminate(&self, group: &Name, token: &Token, decrement: bool) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/instances/{token}?decrement={decrement}");
        self.call(Method::DELETE, &path, None::<&()>).await
    }

    /// Says how an instance goes on from a hook.
    pub async fn complete_hook(
        &self,
        group: &Name,
        token: &Token,
        hook: &Name,
        completed: CompleteHook,
    ) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/instances/{token}/hooks/{hook}");
        self.call(Method::POST, &path, Some(&completed)).await
    }

    /// Says that a hook still works.
    pub async fn heartbeat(&self, group: &Name, token: &Token, hook: &Name) -> Result<AsgView, ClientError> {
        let path = format!("/v1/autoscaling-groups/{group}/instances/{token}/hooks/{hook}/heartbeat");
        self.call(Method::POST, &path, None::<&()>).await
    }

    /// Makes all instances anew.
    pub async fn start_refresh(&self, group: &Name, settings: StartRefresh) -> Result<AsgView, ClientError> {
        self.call(Method::POST, &format!("/v1/autoscaling-groups/{group}/refresh"), Some(&settings)).await
    }

    /// Stops a refresh; what is replaced stays.
    pub async fn cancel_refresh(&self, group: &Name) -> Result<AsgView, ClientError> {
        self.call(Method::DELETE, &format!("/v1/autoscaling-groups/{group}/refresh"), None::<&()>).await
    }

    /// Stops a refresh, and makes all instances from the version before.
    pub async fn roll_back_refresh(&self, group: &Name) -> Result<AsgView, ClientError> {
        self.call(Method::POST, &format!("/v1/autoscaling-groups/{group}/refresh/rollback"), None::<&()>).await
    }
}

const fn put_or_delete(put: bool) -> Method {
    if put { Method::PUT } else { Method::DELETE }
}
