//! `nlb asg show`, and how a refresh goes.

use super::super::render::{Cell, Style, Table, Tone, age, count};
use super::list::list;
use super::measured::measured;
use crate::api::dto::{AsgView, InstanceState, InstanceView, Moment, RefreshStatus, RefreshView};

/// A group with its instances.
pub fn detail(group: &AsgView, now: Moment, style: Style) -> String {
    let mut text = list(std::slice::from_ref(&group.summary), style);
    let served = if group.target_groups.is_empty() { "none".to_owned() } else { group.target_groups.join(", ") };
    text.push_str(&format!("\ntarget groups  {served}\ntemplate       {}\n", group.template));
    if let Some(shown) = &group.refresh {
        text.push_str(&format!("refresh        {}", refresh(shown, now, style)));
    }
    if group.instances.is_empty() {
        return text + "\nno instances\n" + &measured(group.measured.as_ref(), now, style);
    }
    let mut table = Table::new(&["INSTANCE", "STATE", "SINCE", "ADDRESS", "ZONE", "TEMPLATE", ">FLOWS", "NOTE"]);
    for instance in &group.instances {
        let address = instance
            .address
            .map_or_else(String::new, |address| std::net::SocketAddr::new(address, instance.port).to_string());
        table.row([
            instance.name.as_str().into(),
            Cell::toned(tone(instance), style.marked(tone(instance), instance.state.text())),
            age(now.since(instance.since)).into(),
            address.into(),
            instance.zone.as_deref().unwrap_or_default().into(),
            instance.template.as_str().into(),
            instance.flows.map_or_else(String::new, count).into(),
            note(instance),
        ]);
    }
    text.push('\n');
    text.push_str(&table.render(style));
    text + &measured(group.measured.as_ref(), now, style)
}

/// How a refresh goes, in a line.
pub fn refresh(refresh: &RefreshView, now: Moment, style: Style) -> String {
    let tone = match refresh.status {
        RefreshStatus::Successful => Tone::Good,
        RefreshStatus::Failed => Tone::Bad,
        RefreshStatus::InProgress | RefreshStatus::Checkpoint | RefreshStatus::Baking => Tone::Bold,
        RefreshStatus::Cancelled | RefreshStatus::RollingBack | RefreshStatus::RolledBack => Tone::Warn,
    };
    let RefreshView { template, before, replaced, total, reason, .. } = refresh;
    let time = match refresh.ended {
        Some(ended) => format!("ended {} ago", age(now.since(ended))),
        None => format!("for {}", age(now.since(refresh.began))),
    };
    let status = style.paint(tone, refresh.status.text());
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{status} {time}: {before} to {template}, {replaced} of {total} replaced{reason}\n")
}

const fn tone(instance: &InstanceView) -> Tone {
    match instance.state {
        _ if instance.unhealthy.is_some() => Tone::Bad,
        InstanceState::InService => Tone::Good,
        InstanceState::Warmed => Tone::Dim,
        InstanceState::Pending | InstanceState::PendingWait | InstanceState::PendingProceed => Tone::Bold,
        InstanceState::Terminating | InstanceState::TerminatingWait | InstanceState::TerminatingProceed => Tone::Warn,
    }
}

fn note(instance: &InstanceView) -> Cell {
    let notes = [
        instance.unhealthy.clone(),
        instance.condemned.as_ref().map(|why| format!("to be replaced: {why}")),
        instance.hook.as_ref().map(|hook| format!("waits for hook {hook}")),
        instance.protected.then(|| "protected".to_owned()),
    ];
    let text = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
    if instance.unhealthy.is_some() { Cell::toned(Tone::Bad, text) } else { text.into() }
}
