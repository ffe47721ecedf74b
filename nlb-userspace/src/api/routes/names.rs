//! Names in paths and bodies, found in the state.

use std::net::{IpAddr, SocketAddr};

use super::super::failure::Failure;
use crate::control::ChangeError;
use crate::control::snapshot::{GroupState, ListenerState, Snapshot};
use crate::model::{Name, TargetKey};

/// `text` as a name.
pub(super) fn parse(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|error: crate::model::InvalidName| {
        Failure::bad_request(error.to_string(), "see `nlb target-group list` and `nlb listener list`")
    })
}

/// The group called `name`.
pub(super) fn group<'s>(snapshot: &'s Snapshot, name: &Name) -> Result<&'s GroupState, Failure> {
    snapshot.group(name).ok_or_else(|| {
        let known = snapshot.groups.iter().map(|group| group.name.clone()).collect();
        ChangeError::UnknownGroup { group: name.clone(), known }.into()
    })
}

/// The listener called `name`.
pub(super) fn listener<'s>(snapshot: &'s Snapshot, name: &Name) -> Result<&'s ListenerState, Failure> {
    snapshot.listeners.iter().find(|state| &state.listener.name == name).ok_or_else(|| {
        let known: Vec<_> = snapshot.listeners.iter().map(|state| state.listener.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::not_found(format!("no listener `{name}`; there are: {known}"), "see `nlb listener list`")
    })
}

/// The registered target that `text` names: `address:port`, or the address alone when only one has it.
pub(super) fn target(group: &GroupState, text: &str) -> Result<TargetKey, Failure> {
    let name = &group.name;
    let key = |socket: SocketAddr| TargetKey { group: name.clone(), address: socket.ip(), port: socket.port() };
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(key(socket));
    }
    let address: IpAddr = text.trim_matches(['[', ']']).parse().map_err(|_| {
        Failure::bad_request(
            format!("`{text}` is not the address of a target"),
            "write 10.0.0.5:80, [2001:db8::5]:80, or the address alone",
        )
    })?;
    let mut ports = group.targets.iter().filter(|target| target.key.address == address).map(|target| target.key.port);
    match (ports.next(), ports.next()) {
        (Some(port), None) => Ok(key(SocketAddr::new(address, port))),
        (None, _) => Err(Failure::not_found(
            format!("no target {address} in group `{name}`"),
            format!("see `nlb target list {name}`"),
        )),
        (Some(_), Some(_)) => Err(Failure::unprocessable(
            format!("group `{name}` has several targets {address}"),
            format!("say which: {}:PORT", SocketAddr::new(address, 0).to_string().trim_end_matches(":0")),
        )),
    }
}

/// The port of a new target of `group` when none was given: the one that all its listeners have.
pub(super) fn only_port(snapshot: &Snapshot, group: &Name) -> Result<u16, Failure> {
    let mut ports: Vec<_> = snapshot
        .listeners
        .iter()
        .filter(|state| state.listener.served_by.is_by(group))
        .map(|state| state.listener.ports)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    match (ports.as_slice(), ports.first().and_then(|ports| ports.only())) {
        ([_], Some(port)) => Ok(port),
        ([], _) => Err(Failure::unprocessable(
            format!("no port given, and group `{group}` has no listener to take it from"),
            "write ADDRESS:PORT",
        )),
        (several, _) => Err(Failure::unprocessable(
            format!(
                "no port given, and the listeners of group `{group}` have several: {}",
                several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            "write ADDRESS:PORT",
        )),
    }
}
