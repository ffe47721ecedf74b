//! Units that are instances: their names, and what the manager says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bus::{Bus, Listed};
use crate::autoscale::model::{InstanceId, Token};
use crate::model::{Name, Timestamp};
use crate::providers::{Provided, ProvidedState, ProviderError};

/// What every instance's name fits, and with it those of other units.
pub(super) const ANY: &str = "nlb-*.service";

/// What the name of a launch's unit is.
pub(super) fn name(group: &Name, token: &Token) -> String {
    format!("nlb-{group}-{token}.service")
}

/// What the names of a group's units fit, and with them those of groups whose names begin with its own.
pub(super) fn pattern(group: &Name) -> String {
    format!("nlb-{group}-*.service")
}

/// An instance and whose it is.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) group: String,
    pub(super) provided: Provided,
}

/// The instances among the units whose names fit a pattern.
pub(super) async fn units(bus: &Bus, pattern: &str) -> Result<Vec<Unit>, ProviderError> {
    let listed = bus.list(pattern).await?;
    let found = futures_util::future::try_join_all(listed.into_iter().map(|listed| unit(bus, listed))).await?;
    Ok(found.into_iter().flatten().collect())
}

/// A unit as an instance; `None` when it is none, or is gone.
async fn unit(bus: &Bus, listed: Listed) -> Result<Option<Unit>, ProviderError> {
    let state = match (listed.active.as_str(), listed.job.as_str()) {
        _ if listed.load == "not-found" => return Ok(None),
        ("active" | "reloading" | "refreshing", _) => ProvidedState::Running,
        ("activating", _) | ("inactive", "start") => ProvidedState::Creating,
        ("deactivating", _) => ProvidedState::Deleting,
        ("failed", _) => ProvidedState::Failed { reason: reason(bus, &listed).await? },
        _ => return Ok(None),
    };
    let Some(environment) = bus.property::<Vec<String>>(&listed, "Service", "Environment").await? else {
        return Ok(None);
    };
    let place: BTreeMap<_, _> = environment.iter().filter_map(|word| word.split_once('=')).collect();
    let (Some(group), Some(token)) = (place.get("NLB_GROUP"), place.get("NLB_INSTANCE")) else { return Ok(None) };
    // Microseconds since 1970 of when its start began; 0 before.
    let began = bus.property::<u64>(&listed, "Unit", "InactiveExitTimestamp").await?.filter(|began| *began != 0);
    let provided = Provided {
        id: InstanceId(listed.name),
        token: Some(Token((*token).to_owned())),
        zone: place.get("NLB_ZONE").and_then(|zone| zone.parse().ok()),
        address: place.get("NLB_ADDRESS").and_then(|address| address.parse().ok()),
        port: place.get("NLB_PORT").and_then(|port| port.parse().ok()),
        state,
        launched: began.map(|began| Timestamp::from_epoch(Duration::from_micros(began))),
    };
    Ok(Some(Unit { group: (*group).to_owned(), provided }))
}

/// Why a unit failed: systemd's word for it (`exit-code`, `signal`, `timeout`, …), and the number that its process left.
async fn reason(bus: &Bus, listed: &Listed) -> Result<String, ProviderError> {
    let result = bus.property::<String>(listed, "Service", "Result").await?.unwrap_or_default();
    let status = bus.property::<i32>(listed, "Service", "ExecMainStatus").await?.unwrap_or_default();
    let number = if status == 0 { String::new() } else { format!(" {status}") };
    Ok(format!("its unit failed: {result}{number}: see `journalctl --unit {}`", listed.name))
}
