//! Instances.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::InstanceState;
use crate::api::dto::Moment;
use crate::autoscale::model::Instance;

/// An instance as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceView {
    /// Its name here, by which commands take it.
    pub name: String,
    /// Its provider's name of it, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it answers, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "10.0.0.5")]
    pub address: Option<IpAddr>,
    /// The port that it serves; 0 until known.
    pub port: u16,
    /// Zone it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What it was made from: `name:version`.
    pub template: String,
    /// How far its life has come.
    pub state: InstanceState,
    /// Since when.
    pub since: Moment,
    /// When its launch was decided.
    pub launched: Moment,
    /// Whether scale-in passes it by.
    pub protected: bool,
    /// Why it is thought unhealthy, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
    /// Why it is to be replaced, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condemned: Option<String>,
    /// The hook that holds it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// Active flows of its targets, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u64>,
}

impl From<&Instance> for InstanceView {
    fn from(instance: &Instance) -> Self {
        Self {
            name: instance.token.to_string(),
            id: instance.id.as_ref().map(ToString::to_string),
            address: instance.address,
            port: instance.port,
            zone: instance.zone.as_ref().map(ToString::to_string),
            template: instance.template.to_string(),
            state: instance.lifecycle.state().into(),
            since: instance.since.into(),
            launched: instance.launched.into(),
            protected: instance.protected,
            unhealthy: instance.unhealthy.as_ref().map(|(reason, _)| reason.clone()),
            condemned: instance.condemned.as_ref().map(ToString::to_string),
            hook: instance.lifecycle.wait().map(|(_, wait)| wait.hook.to_string()),
            flows: instance.flows,
        }
    }
}
