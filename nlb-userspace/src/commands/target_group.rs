//! `nlb target-group list` and `nlb target-group show`.

use super::output::Output;
use super::render::{Cell, Style, Table, Tone, age, bar, count};
use super::{CommandError, target};
use crate::api::client::Client;
use crate::api::dto::{GroupSummary, GroupView, Moment, Routing, Tracking};
use crate::args::TargetGroup;

/// Shows target groups.
pub(super) async fn run(client: &Client, output: &Output, command: TargetGroup) -> Result<(), CommandError> {
    match command {
        TargetGroup::List => output.show(&client.target_groups().await?, |groups, style| list(groups, style)),
        TargetGroup::Show { name } => {
            output.show(&client.target_group(&name).await?, |group, style| detail(group, Moment::now(), style))
        }
    }
}

/// Target groups, a line each.
pub fn list(groups: &[GroupSummary], style: Style) -> String {
    if groups.is_empty() {
        return "no target groups: the configuration has no [[target_group]]\n".to_owned();
    }
    let bars = style.marks;
    let mut table = if bars {
        Table::new(&["TARGET GROUP", "HEALTHY", "", "ROUTING", "LISTENERS"])
    } else {
        Table::new(&["TARGET GROUP", "HEALTHY", "ROUTING", "LISTENERS"])
    };
    for group in groups {
        let mut cells: Vec<Cell> = vec![group.name.as_str().into(), healthy(group.healthy, group.total)];
        if bars {
            cells.push(Cell::toned(tone(group.healthy, group.total), bar(share(group.healthy, group.total))));
        }
        cells.extend([routing(group.routing, style), group.listeners.join(", ").into()]);
        table.row(cells);
    }
    table.render(style)
}

/// A target group with its settings and targets.
pub fn detail(group: &GroupView, now: Moment, style: Style) -> String {
    let summary = &group.summary;
    let mut text = list(std::slice::from_ref(summary), style);
    let slots = count(u64::try_from(group.ring_slots).unwrap_or(u64::MAX));
    let source = if group.source_nat { " from the edge's own address" } else { "" };
    let zones = if group.cross_zone { "all zones alike" } else { "own zone first" };
    let mut facts = vec![
        ("forwarding", format!("{}{source}, affinity {}, {zones}", group.forwarding, group.affinity)),
        ("health check", group.health_check.clone()),
        ("flows", flows(group)),
        ("leaving", leaving(group)),
        ("ring", format!("{slots} slots, {} in transition", count(group.open_slots.into()))),
    ];
    if let Some(change) = &group.last_change {
        let ago = age(now.since(change.at));
        let moved = count(change.moved.into());
        facts
            .push(("last change", format!("{ago} ago, {moved} slots moved (at least {})", count(change.least.into()))));
    }
    text.push('\n');
    for (name, value) in facts {
        text.push_str(&format!("{}  {value}\n", style.paint(Tone::Dim, &format!("{name:<12}"))));
    }
    text.push('\n');
    text + &target::list(&group.targets, now, style)
}

fn flows(group: &GroupView) -> String {
    let remembered = match group.tracking {
        Tracking::Transition => "remembered in transitions",
        Tracking::All => "all remembered",
        Tracking::None => "none remembered",
    };
    let counted = group.flows.map_or_else(|| "not counted yet".to_owned(), |flows| format!("{} now", count(flows)));
    format!("{remembered} ({counted}), over after {} without packets", group.idle_timeout)
}

fn leaving(group: &GroupView) -> String {
    let end = if group.connection_termination { "cut" } else { "given to other targets" };
    format!("targets keep their flows for {}, the rest is {end}", group.deregistration_delay)
}

/// `2/3`, by how good that is.
pub(super) fn healthy(healthy: usize, total: usize) -> Cell {
    Cell::toned(tone(healthy, total), format!("{healthy}/{total}"))
}

/// The routing, with what is wrong in capitals.
pub(super) fn routing(routing: Routing, style: Style) -> Cell {
    let (tone, text) = match routing {
        Routing::Healthy => (Tone::Good, "healthy"),
        Routing::OtherZones => (Tone::Warn, "OTHER ZONES"),
        Routing::Waiting => (Tone::Warn, "first checks"),
        Routing::FailOpen => (Tone::Bad, "FAIL OPEN"),
        Routing::Empty => (Tone::Bad, "NO TARGET"),
    };
    Cell::toned(tone, style.marked(tone, text))
}

const fn tone(healthy: usize, total: usize) -> Tone {
    match healthy {
        0 => Tone::Bad,
        _ if healthy < total => Tone::Warn,
        _ => Tone::Good,
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |value: usize| u32::try_from(value).map_or(0.0, f64::from);
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}
