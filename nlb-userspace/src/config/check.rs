//! What concerns more than one table: names, duplicates, addresses that collide, and the capacity of the kernel's tables.

mod quic;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use nlb_common::ranges::MOST as MOST_RANGES;
use toml::Spanned;

use super::nearest::{listed, nearest};
use super::reader::{Complaint, Table};
use super::sections::{ReadAutoscalingGroup, ReadGroup, ReadListener, ReadVip};
use crate::model::{Capacity, Forwarding, Name, Ports, Protocol, Weight, place};

/// Notes every problem between tables.
pub(super) fn check(top: &Table<'_>, capacity: Option<Capacity>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let names = groups.iter().filter_map(|group| group.name.as_ref().ok());
    once(top, names.clone().map(|name| (name.get_ref(), name.span())), |name| format!("target group `{name}`"));
    let listener_names = listeners.iter().filter_map(|listener| listener.name.as_ref().ok());
    once(top, listener_names.map(|name| (name.get_ref(), name.span())), |name| format!("listener `{name}`"));
    for group in groups {
        let targets = group.targets.iter().filter_map(|target| {
            let address = target.address.as_ref().ok()?;
            Some(((*address.get_ref(), target.port.ok()?), target.span.clone()))
        });
        once(top, targets, |(address, port)| format!("target {}", std::net::SocketAddr::new(*address, *port)));
    }
    let places = listeners.iter().filter_map(|listener| {
        let (address, ports) = (listener.address.as_ref().ok()?, listener.ports.as_ref().ok()?);
        let where_to = (*address.get_ref(), listener.prefix_length, *ports.get_ref());
        Some(((listener.protocol.ok()?, where_to), address.span()))
    });
    once(top, places, |(protocol, (address, length, ports))| {
        format!("a listener for {protocol} {}", place(*address, *length, ports))
    });
    ranges(top, listeners);
    listeners.iter().for_each(|listener| shares(top, listener, groups));

    let wanted = listeners.iter().filter_map(|listener| listener.groups.as_ref().ok()).flatten().map(|(name, _)| name);
    unknown_groups(top, &names.map(Spanned::get_ref).collect::<Vec<_>>(), wanted);
    targets_that_are_vips(top, groups, listeners);
    targets_of_another_family(top, groups, listeners);
    translated_listeners(top, groups, listeners);
    gateways(top, groups, listeners);
    quic::check(top, groups, listeners);
    if let Some(capacity) = capacity {
        fits(top, capacity, groups, listeners);
        quic::fits(top, capacity, groups, listeners);
    }
}

/// Notes every problem of VIPs: one has one answer, and is the address of a listener.
pub(super) fn check_vips(top: &Table<'_>, vips: &[ReadVip], listeners: &[ReadListener]) {
    let addresses = vips.iter().filter_map(|vip| vip.address.as_ref().ok());
    once(top, addresses.clone().map(|address| (*address.get_ref(), address.span())), |address| {
        format!("VIP {address}")
    });
    // A listener whose address is wrong may have been meant.
    if listeners.iter().any(|listener| listener.address.is_err()) {
        return;
    }
    let is_vip = |address: &&Spanned<IpAddr>| {
        listeners.iter().filter_map(ReadListener::vip).any(|vip| vip.get_ref() == address.get_ref())
    };
    for address in addresses.filter(|address| !is_vip(address)) {
        let message = format!("no listener has the address {}", address.get_ref());
        let help = "write the `address` of a `[[listener]]`, or leave this `[[vip]]` out";
        top.wrong_at(&address.span(), Complaint::new(message).help(help));
    }
}

/// The same for autoscaling groups. `prometheus` says whether there is a server to ask; `None`: that can't be read.
pub(super) fn check_autoscaling(
    top: &Table<'_>,
    prometheus: Option<bool>,
    groups: &[ReadGroup],
    autoscaling: &[ReadAutoscalingGroup],
) {
    let names = autoscaling.iter().filter_map(|group| group.name.as_ref().ok());
    once(top, names.map(|name| (name.get_ref(), name.span())), |name| format!("autoscaling group `{name}`"));
    for (what, names) in autoscaling.iter().flat_map(|group| &group.named) {
        once(top, names.iter().map(|name| (name.get_ref(), name.span())), |name| format!("{what} `{name}`"));
    }
    let known: Vec<&Name> = groups.iter().filter_map(|group| group.name.as_ref().ok()).map(Spanned::get_ref).collect();
    unknown_groups(top, &known, autoscaling.iter().flat_map(|group| &group.target_groups));
    if prometheus == Some(false) {
        for asking in autoscaling.iter().flat_map(|group| &group.asking) {
            let complaint = Complaint::new(format!("{} asks a Prometheus server, and there is none", asking.get_ref()));
            let help = "add `[agent.prometheus]` with `url = \"http://127.0.0.1:9090\"`";
            top.wrong_at(&asking.span(), complaint.help(help));
        }
    }
}

/// Notes each key that stands a second time.
fn once<K: Ord>(top: &Table<'_>, keys: impl Iterator<Item = (K, Range<usize>)>, what: impl Fn(&K) -> String) {
    let mut seen: BTreeMap<K, usize> = BTreeMap::new();
    for (key, span) in keys {
        if let Some(line) = seen.get(&key) {
            let message = format!("{} is there twice", what(&key));
            top.wrong_at(&span, Complaint::new(message).help(format!("the first is at line {line}")));
        } else {
            let line = top.line(&span);
            seen.insert(key, line);
        }
    }
}

/// Notes groups that can't share a listener: its ring spreads and remembers the flows of all of them in one way.
fn shares(top: &Table<'_>, listener: &ReadListener, groups: &[ReadGroup]) {
    let Ok(shares) = &listener.groups else { return };
    once(top, shares.iter().map(|(name, _)| (name.get_ref(), name.span())), |name| format!("target group `{name}`"));
    if shares.iter().all(|(_, weight)| *weight == Weight::new(0)) {
        let complaint = Complaint::new("no group has a weight above 0: nobody gets a flow");
        top.wrong_at(&listener.span, complaint.help("give one of `target_groups` a weight"));
    }
    let named =
        |name: &Name| groups.iter().find(|group| group.name.as_ref().is_ok_and(|known| known.get_ref() == name));
    let mut served = shares.iter().filter_map(|(name, _)| Some((name, named(name.get_ref())?)));
    let Some((first_name, first)) = served.next() else { return };
    for (name, group) in served {
        let differing = [
            ("forwarding", group.translates() != first.translates()),
            ("affinity", group.affinity() != first.affinity()),
            ("tracking", group.tracking() != first.tracking()),
            ("idle_timeout", group.idle_timeout() != first.idle_timeout()),
        ];
        for (key, _) in differing.into_iter().filter(|(_, differs)| *differs) {
            let (one, other) = (first_name.get_ref(), name.get_ref());
            let message = format!("`{one}` and `{other}` share a listener, and their `{key}` is not the same");
            top.wrong_at(&name.span(), Complaint::new(message).help(format!("give both groups the same `{key}`")));
        }
    }
}

/// Notes ranges of which it can't be said which is the more specific, and where there are too many of them.
fn ranges(top: &Table<'_>, listeners: &[ReadListener]) {
    let mut seen: BTreeMap<(IpAddr, Protocol), Vec<(Ports, usize)>> = BTreeMap::new();
    for listener in listeners {
        let (Ok(address), Ok(protocol), Ok(ports)) = (&listener.address, listener.protocol, &listener.ports) else {
            continue;
        };
        let (span, ports) = (ports.span(), *ports.get_ref());
        if ports.only().is_some() || listener.prefix_length.is_some() {
            continue;
        }
        let others = seen.entry((*address.get_ref(), protocol)).or_default();
        let rival = |(other, _): &&(Ports, usize)| other.count() == ports.count() && other.overlap(ports);
        if let Some((other, line)) = others.iter().filter(|(other, _)| *other != ports).find(rival) {
            let message = format!("{ports} overlaps {other} (line {line}), and neither is the more specific");
            let help = "make one of them narrower: the narrowest range that has a port takes it";
            top.wrong_at(&span, Complaint::new(message).help(help));
        }
        others.push((ports, top.line(&span)));
        if others.len() == MOST_RANGES + 1 {
            let message =
                format!("more than {MOST_RANGES} listeners of several ports for {protocol} {}", address.get_ref());
            top.wrong_at(
                &span,
                Complaint::new(message).help("join neighbours, or give single ports listeners of their own"),
            );
        }
    }
}

fn unknown_groups<'a>(top: &Table<'_>, known: &[&Name], wanted: impl Iterator<Item = &'a Spanned<Name>>) {
    for wanted in wanted {
        let name = wanted.get_ref();
        if known.contains(&name) {
            continue;
        }
        let known = || known.iter().map(|name| name.as_str());
        let help = match nearest(name.as_str(), known()) {
            Some(meant) => format!("did you mean \"{meant}\"? There are: {}", listed(known())),
            None if known().next().is_none() => "the file has no `[[target_group]]`: add one".to_owned(),
            None => format!("there are: {}", listed(known())),
        };
        top.wrong_at(&wanted.span(), Complaint::new(format!("no target group `{name}`")).help(help));
    }
}

/// A packet to such a target would come back to the edge for ever.
fn targets_that_are_vips(top: &Table<'_>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let addresses = listeners.iter().filter_map(ReadListener::vip);
    let vips: BTreeMap<IpAddr, Range<usize>> =
        addresses.rev().map(|address| (*address.get_ref(), address.span())).collect();
    for address in groups.iter().flat_map(|group| &group.targets).filter_map(|target| target.address.as_ref().ok()) {
        if let Some(vip) = vips.get(address.get_ref()) {
            let message = format!("target {} is the address of a listener (line {})", address.get_ref(), top.line(vip));
            let help = "write the target host's own address; the listener's is on its `lo` besides";
            top.wrong_at(&address.span(), Complaint::new(message).help(help));
        }
    }
}

/// Who gets packets of another family than the client's can't answer to him, but to the edge.
fn targets_of_another_family(top: &Table<'_>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    for group in groups {
        let (Ok(Some(forwarding)), Ok(name)) = (&group.forwarding, &group.name) else { continue };
        let name = name.get_ref();
        let of_group = |listener: &&ReadListener| {
            listener.groups.as_ref().is_ok_and(|groups| groups.iter().any(|(wanted, _)| wanted.get_ref() == name))
        };
        let vips = listeners.iter().filter(of_group).filter_map(|listener| listener.address.as_ref().ok());
        let vips: Vec<_> = vips.collect();
        for address in group.targets.iter().filter_map(|target| target.address.as_ref().ok()) {
            let target = *address.get_ref();
            let Some(vip) = vips.iter().find(|vip| !forwarding.can_answer(*vip.get_ref(), target)) else { continue };
            let (line, vip) = (top.line(&vip.span()), vip.get_ref());
            let message = format!("target {target} is of another family than listener {vip} (line {line})");
            top.wrong_at(&address.span(), Complaint::new(message).help(Forwarding::help_to_answer(*vip)));
        }
    }
}

/// What can't be translated: another protocol, and several ports to the one that a target has.
fn translated_listeners(top: &Table<'_>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let translates = |name: &Name| {
        let group = groups.iter().find(|group| group.name.as_ref().is_ok_and(|known| known.get_ref() == name));
        group.is_some_and(|group| matches!(group.forwarding, Ok(Some(Forwarding::Nat { .. }))))
    };
    let served = listeners.iter().filter_map(|listener| Some((listener, listener.groups.as_ref().ok()?)));
    let served = served.flat_map(|(listener, groups)| groups.iter().map(move |(group, _)| (listener, group)));
    for (listener, group) in served.filter(|(_, group)| translates(group.get_ref())) {
        let wrong = |message: String, help: &str| top.wrong_at(&group.span(), Complaint::new(message).help(help));
        let name = group.get_ref();
        if listener.protocol.is_ok_and(|protocol| protocol == Protocol::Sctp) {
            wrong(format!("`{name}` translates by `nat`, which SCTP can't be"), "use `ipip`, `gue` or `l2`");
        }
        if let Some(ports) = listener.ports.as_ref().ok().map(Spanned::get_ref).filter(|ports| ports.only().is_none()) {
            let message =
                format!("`{name}` translates by `nat` to each target's one port, and the listener has {ports}");
            wrong(message, "use `ipip`, `gue` or `l2`, which leave ports as they are");
        }
    }
}

/// Gateways send to appliances, and to nobody else; and nobody else to appliances.
fn gateways(top: &Table<'_>, groups: &[ReadGroup], listeners: &[ReadListener]) {
    for listener in listeners {
        let (Ok(protocol), Ok(served)) = (listener.protocol, &listener.groups) else { continue };
        for (name, _) in served {
            let named =
                groups.iter().find(|group| group.name.as_ref().is_ok_and(|known| known.get_ref() == name.get_ref()));
            let Some(of_appliances) = named.and_then(ReadGroup::is_of_appliances) else { continue };
            let (message, help) = match (protocol == Protocol::All, of_appliances) {
                (true, false) => (
                    format!("`{}` does not forward by `geneve`, and the listener is of all protocols", name.get_ref()),
                    "set `forwarding = \"geneve\"` in the group, or name one protocol and a VIP here",
                ),
                (false, true) => (
                    format!(
                        "`{}` forwards by `geneve`, to appliances, and the listener is of {protocol}",
                        name.get_ref()
                    ),
                    "use another forwarding, or a listener with `protocol = \"all\"` and a network as `address`",
                ),
                _ => continue,
            };
            top.wrong_at(&name.span(), Complaint::new(message).help(help));
        }
    }
}

fn fits(top: &Table<'_>, capacity: Capacity, groups: &[ReadGroup], listeners: &[ReadListener]) {
    let wrong = |what: &str, needed: u64, held: u32, span: &Range<usize>| {
        let message = format!("{needed} {what} do not fit: the tables hold {held}");
        top.wrong_at(span, Complaint::new(message).help(format!("set `agent.capacity.{what}` to {needed} or more")));
    };
    let held = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    if let Some(listener) = listeners.get(held(capacity.listeners)) {
        wrong("listeners", listeners.len() as u64, capacity.listeners, &listener.span);
    }
    // A listener that groups share has a ring of its own, as large as theirs.
    let sharing: Vec<_> =
        listeners.iter().filter_map(|listener| Some((listener, shared_ring(listener, groups)?))).collect();
    let rings = groups.len() + sharing.len();
    if let Some(span) = groups
        .iter()
        .map(|group| &group.span)
        .chain(sharing.iter().map(|(listener, _)| &listener.span))
        .nth(held(capacity.groups))
    {
        wrong("groups", rings as u64, capacity.groups, span);
    }
    let mut networks = 0;
    let mut lists = BTreeSet::new();
    for listener in listeners {
        let list = listener.access.as_ref().ok().and_then(|access| access.list.as_ref());
        let Some(list) = list.filter(|list| lists.insert(list.tag())) else { continue };
        networks += list.networks().len() as u64;
        if networks > u64::from(capacity.networks) {
            wrong("networks", networks, capacity.networks, &listener.span);
            break;
        }
    }
    let targets = || groups.iter().flat_map(|group| &group.targets);
    if let Some(target) = targets().nth(held(capacity.targets)) {
        wrong("targets", targets().count() as u64, capacity.targets, &target.span);
    }

    // A ring begins at a multiple of its own size; sizes are powers of two, so the largest first leave no gap.
    let own = groups.iter().map(|group| (&group.span, group.ring_size.map_or(0, |size| u64::from(size.get()))));
    let sizes: Vec<_> = own.chain(sharing.iter().map(|(listener, size)| (&listener.span, *size))).collect();
    let needed: u64 = sizes.iter().map(|(_, size)| size).sum();
    let mut sum = 0;
    let first_beyond = sizes.iter().find(|(_, size)| {
        sum += size;
        sum > u64::from(capacity.slots)
    });
    if let Some((span, _)) = first_beyond {
        let message = format!("the rings need {needed} slots, the table holds {}", capacity.slots);
        let help = format!(
            "set `agent.capacity.slots` to {} or more, or smaller `ring_size`s",
            needed.checked_next_power_of_two().unwrap_or(needed)
        );
        top.wrong_at(span, Complaint::new(message).help(help));
    }
}

/// Slots of the ring that a listener has for itself, if groups share it.
fn shared_ring(listener: &ReadListener, groups: &[ReadGroup]) -> Option<u64> {
    let shares = listener.groups.as_ref().ok()?;
    let is_own = shares.iter().any(|(_, weight)| weight.is_some());
    let named =
        |name: &Name| groups.iter().find(|group| group.name.as_ref().is_ok_and(|known| known.get_ref() == name));
    let sizes = shares.iter().filter_map(|(name, _)| named(name.get_ref())?.ring_size.ok());
    sizes.max().filter(|_| is_own).map(|size| size.get().into())
}
