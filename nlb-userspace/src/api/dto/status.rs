//! The overview.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GroupSummary, Moment, XdpMode};
use crate::control::snapshot::Snapshot;

/// How the agent does, in one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// When this was so.
    pub at: Moment,
    /// The agent.
    pub agent: AgentStatus,
    /// The configuration in force.
    pub config: ConfigStatus,
    /// Where the program is attached.
    pub interfaces: Vec<InterfaceStatus>,
    /// Why the kernel's tables are not what they should be; absent when they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataplane_error: Option<String>,
    /// Number of listeners.
    pub listeners: usize,
    /// Target groups.
    pub target_groups: Vec<GroupSummary>,
}

/// The agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentStatus {
    /// Its version.
    pub version: String,
    /// Version of the layout of the kernel's tables.
    pub layout_version: u32,
    /// Its process id.
    pub pid: u32,
    /// When it began.
    pub started: Moment,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigStatus {
    /// The file.
    pub path: String,
    /// When it was loaded.
    pub loaded: Moment,
    /// The last reload, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload_failure: Option<ReloadFailure>,
}

/// A reload that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadFailure {
    /// When.
    pub at: Moment,
    /// Why.
    pub reason: String,
}

/// The program on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InterfaceStatus {
    /// Name of the interface.
    pub name: String,
    /// Mode that the program runs in, absent when it is not attached there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<XdpMode>,
    /// The kernel's id of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_id: Option<u32>,
}

impl Status {
    /// The overview of `snapshot`.
    pub fn of(snapshot: &Snapshot) -> Self {
        let settings = &snapshot.configuration.agent;
        let attachment = |name: &String| snapshot.attachments.iter().find(|attachment| &attachment.interface == name);
        let interfaces = settings.interfaces.iter().map(|name| InterfaceStatus {
            name: name.clone(),
            mode: attachment(name).map(|attachment| attachment.mode.into()),
            program_id: attachment(name).map(|attachment| attachment.program_id),
        });
        let failure = snapshot.reload_failure.as_ref();
        Self {
            at: Moment::now(),
            agent: AgentStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                layout_version: nlb_common::layout::LAYOUT_VERSION,
                pid: std::process::id(),
                started: snapshot.started.into(),
                zone: settings.zone.as_ref().map(ToString::to_string),
            },
            config: ConfigStatus {
                path: snapshot.configuration_path.display().to_string(),
                loaded: snapshot.configured.into(),
                reload_failure: failure
                    .map(|failure| ReloadFailure { at: failure.at.into(), reason: failure.reason.clone() }),
            },
            interfaces: interfaces.collect(),
            dataplane_error: snapshot.dataplane_error.clone(),
            listeners: snapshot.listeners.len(),
            target_groups: GroupSummary::all(snapshot),
        }
    }
}
