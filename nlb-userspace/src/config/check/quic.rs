//! QUIC: connection ids tell the targets of a listener apart, and the servers of a group make them in one way.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use toml::Spanned;

use crate::config::reader::{Complaint, Table};
use crate::config::sections::{ReadGroup, ReadListener, ReadTarget};
use crate::model::{Capacity, Name, Quic, Target};

/// Notes every problem of listeners with `quic` and of their groups.
pub(super) fn check(top: &Table<'_>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let mut by_group: BTreeMap<&Name, (Quic, usize)> = BTreeMap::new();
    for (listener, quic) in listeners.iter().filter_map(|listener| Some((listener, quic_of(listener)?))) {
        let Ok(served) = &listener.groups else { continue };
        for (name, _) in served {
            let (known, line) = *by_group.entry(name.get_ref()).or_insert_with(|| (quic, top.line(&listener.span)));
            let wrong = |message: String, help: &str| top.wrong_at(&name.span(), Complaint::new(message).help(help));
            let group = name.get_ref();
            if known != quic {
                let message = format!("`{group}` is served by another `quic` already (line {line})");
                wrong(
                    message,
                    "give all listeners of the group the same `quic`: its servers make their ids in one way",
                );
            }
            if named(groups, group).is_some_and(|group| group.translates() == Some(true)) {
                let message = format!("`{group}` translates by `nat`, where a connection id says nothing");
                wrong(message, "use `ipip`, `gue` or `l2`, or leave `quic` out");
            }
        }
        let served: Vec<_> = served.iter().filter_map(|(name, _)| named(groups, name.get_ref())).collect();
        if !served.is_empty() {
            server_ids(top, quic, &served);
        }
    }
}

/// Notes ids of another length, and targets with one id.
fn server_ids(top: &Table<'_>, quic: Quic, groups: &[&ReadGroup]) {
    let mut seen = BTreeMap::new();
    for target in groups.iter().flat_map(|group| &group.targets).filter_map(whole) {
        let ReadTargetId { target, span } = target;
        let id = quic.server_id(&target);
        let (socket, length) = (SocketAddr::new(target.address, target.port), quic.server_id_length);
        if id.bytes().len() != usize::from(length) {
            let message = format!(
                "`quic_server_id` has {} bytes, and a listener of the group has ids of {length}",
                id.bytes().len()
            );
            top.wrong_at(&span, Complaint::new(message).help("make it as long as the listener's `server_id_length`"));
            continue;
        }
        let line = top.line(&span);
        match seen.get(&id) {
            None => {
                seen.insert(id, (socket, line));
            }
            // The same target in another group, which has been told or is fine: its packets go to one host.
            Some((other, _)) if *other == socket => {}
            Some((other, line)) => {
                let message = format!("target {socket} has the QUIC server id {id}, as {other} has (line {line})");
                let help = "give one of them a `quic_server_id`, or the listener a longer `server_id_length`";
                top.wrong_at(&span, Complaint::new(message).help(help));
            }
        }
    }
}

/// A target whose id is known, and where it stands.
struct ReadTargetId {
    target: Target,
    span: std::ops::Range<usize>,
}

fn whole(target: &ReadTarget) -> Option<ReadTargetId> {
    let id = target.quic_server_id.as_ref().ok()?;
    let address = target.address.as_ref().ok()?;
    let span = id.as_ref().map_or_else(|| address.span(), Spanned::span);
    let quic_server_id = id.as_ref().map(|id| id.get_ref().clone());
    let (address, port) = (*address.get_ref(), target.port.ok()?);
    let target = Target { address, port, zone: None, weight: Default::default(), quic_server_id };
    Some(ReadTargetId { target, span })
}

/// Notes more ids than there is room for.
pub(super) fn fits(top: &Table<'_>, capacity: Capacity, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let (mut needed, room) = (0, u64::from(capacity.quic_servers()));
    for listener in listeners.iter().filter(|listener| quic_of(listener).is_some()) {
        let served = listener.groups.iter().flatten().filter_map(|(name, _)| named(groups, name.get_ref()));
        needed += served.map(|group| group.targets.len() as u64).sum::<u64>();
        if needed > room {
            let message = format!("{needed} targets of listeners with `quic` do not fit: the tables hold {room}");
            let least = needed.div_ceil(Capacity::QUIC_SERVERS_PER_TARGET.into());
            let help = format!("set `agent.capacity.targets` to {least} or more");
            top.wrong_at(&listener.span, Complaint::new(message).help(help));
            break;
        }
    }
}

fn quic_of(listener: &ReadListener) -> Option<Quic> {
    listener.quic.ok().flatten()
}

fn named<'a>(groups: &'a [ReadGroup], name: &Name) -> Option<&'a ReadGroup> {
    groups.iter().find(|group| group.name.as_ref().is_ok_and(|known| known.get_ref() == name))
}
