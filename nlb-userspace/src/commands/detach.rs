//! `nlb detach`: takes out of the kernel what an agent left there.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::CommandError;
use super::output::Output;
use super::render::Style;
use crate::args::Detach;
use crate::config::ConfigErrors;
use crate::model::AgentSettings;
use crate::{config, dataplane, netlink, target_agent};

/// Where an edge's configuration is by custom.
const EDGE: &str = "/etc/nlb/nlb.toml";

/// Where a target host's configuration is by custom.
pub(super) const TARGET: &str = "/etc/nlb/nlb-target.toml";

#[derive(Debug, Default, Serialize)]
struct Removed {
    interfaces: Vec<String>,
    pins: Vec<PathBuf>,
    addresses: Vec<String>,
    sysctls: Vec<String>,
}

/// Removes programs, links and maps; on a target host VIPs and kernel settings too.
pub(super) fn run(output: Output, arguments: &Detach) -> Result<(), CommandError> {
    let failed = |what: String| {
        CommandError::failed(what, "stop the agent first (systemctl stop nlb-agent or nlb-target-agent); run as root")
    };
    let removed = if arguments.target {
        let file = arguments.config.as_deref().unwrap_or(Path::new(TARGET));
        let removed = target_agent::detach(file).map_err(|error| failed(format!("{error:#}")))?;
        let target_agent::Removed { interfaces, pins, addresses, sysctls } = removed;
        Removed { interfaces, pins, addresses, sysctls }
    } else {
        let removed = dataplane::detach(&pin_path(arguments)?).map_err(|error| failed(error.to_string()))?;
        release_neighbours().map_err(|error| failed(format!("{error:#}")))?;
        Removed { interfaces: removed.interfaces, pins: removed.pins, ..Removed::default() }
    };
    output.show(&removed, text)
}

/// Tells the kernel that no packet path needs the neighbours' addresses kept fresh any more.
fn release_neighbours() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(netlink::release())?;
    Ok(())
}

/// Where the edge's agent pins: as the arguments, the file, or custom have it.
fn pin_path(arguments: &Detach) -> Result<PathBuf, CommandError> {
    if let Some(path) = &arguments.pin_path {
        return Ok(path.clone());
    }
    let file = arguments.config.as_deref().unwrap_or(Path::new(EDGE));
    match config::load(file) {
        Ok(configuration) => Ok(configuration.agent.pin_path),
        Err(ConfigErrors::NotFound { .. }) if arguments.config.is_none() => Ok(AgentSettings::default().pin_path),
        Err(errors) => Err(CommandError::failed(
            errors.to_string(),
            "mend the file, or say where the agent pinned: nlb detach --pin-path PATH",
        )),
    }
}

fn text(removed: &Removed, _: Style) -> String {
    let pins: Vec<_> = removed.pins.iter().map(|pin| pin.display().to_string()).collect();
    let lines: String = [
        ("program taken off", &removed.interfaces),
        ("removed", &pins),
        ("address", &removed.addresses),
        ("put back", &removed.sysctls),
    ]
    .into_iter()
    .flat_map(|(what, things)| things.iter().map(move |thing| format!("{what} {thing}\n")))
    .collect();
    if lines.is_empty() { "nothing was there\n".to_owned() } else { lines }
}
