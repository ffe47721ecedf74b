//! `nlb detach`: takes the packet path off this host, when no agent runs.

use std::path::Path;

use super::CommandError;
use super::output::Output;
use crate::args::Detach;
use crate::dataplane::{self, Detached};
use crate::model::AgentSettings;
use crate::netlink;

/// Removes programs, links and maps.
pub(super) async fn run(output: Output, arguments: &Detach) -> Result<(), CommandError> {
    let default = AgentSettings::default().pin_path;
    let path = arguments.pin_path.as_ref().unwrap_or(&default);
    let detached = dataplane::detach(path).map_err(|error| CommandError::from_chain(&error.into()))?;
    netlink::release().await.map_err(|error| CommandError::from_chain(&error.into()))?;
    let Detached { interfaces, pins } = &detached;
    let shown = serde_json::json!({ "interfaces": interfaces, "pins": pins });
    output.show(&shown, |_, _| text(&detached, path))
}

fn text(detached: &Detached, path: &Path) -> String {
    if detached.is_nothing() {
        return format!("nothing is attached or pinned below {}\n", path.display());
    }
    let interfaces = detached.interfaces.iter().map(|name| format!("detached from {name}\n"));
    let pins = detached.pins.iter().map(|pin| format!("removed {}\n", pin.display()));
    interfaces.chain(pins).collect()
}
