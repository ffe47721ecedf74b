//! `nlb target list`, `register`, `deregister`, `drain`, `undrain` and `set-weight`.

use super::CommandError;
use super::output::Output;
use super::render::{Cell, Style, Table, Tone, age, bar, count};
use crate::api::client::Client;
use crate::api::dto::{ChangeReport, Health, Moment, Origin, Register, RingChange, SetWeight, TargetView};
use crate::args::Target;

/// Shows or changes targets.
pub(super) async fn run(client: &Client, output: &Output, command: Target) -> Result<(), CommandError> {
    match command {
        Target::List { group } => {
            let targets = client.targets(group.as_ref()).await?;
            output.show(&targets, |targets, style| list(targets, Moment::now(), style))
        }
        Target::Register { group, target, zone, weight, quic_server_id } => {
            let target = Register { address: target.address, port: target.port, zone, weight, quic_server_id };
            let report = client.register(&group, &target).await?;
            output.show(&report, |report, _| changed("registered", report))
        }
        Target::Deregister { group, target } => {
            let report = client.deregister(&group, target.into()).await?;
            output.show(&report, |report, _| changed("deregistered", report))
        }
        Target::Drain { group, target } => {
            let report = client.drain(&group, target.into()).await?;
            output.show(&report, |report, _| changed("drained", report))
        }
        Target::Undrain { group, target } => {
            let report = client.undrain(&group, target.into()).await?;
            output.show(&report, |report, _| changed("no longer drained", report))
        }
        Target::SetWeight { group, target, weight } => {
            let report = client.set_weight(&group, target.into(), &SetWeight { weight }).await?;
            output.show(&report, |report, _| changed(&format!("weight {} for", weight.get()), report))
        }
    }
}

/// What a change did, in a line.
pub fn changed(what: &str, report: &ChangeReport) -> String {
    moved(what, &report.target, report.ring.as_ref())
}

/// What a change of `subject` moved in a ring, in a line.
pub(super) fn moved(what: &str, subject: &str, ring: Option<&RingChange>) -> String {
    let moved = match ring {
        Some(change) => format!("{} slots moved (at least {})", count(change.moved.into()), count(change.least.into())),
        None => "the ring stays as it was".to_owned(),
    };
    format!("{what} {subject}: {moved}\n")
}

/// Targets, a line each.
pub fn list(targets: &[TargetView], now: Moment, style: Style) -> String {
    if targets.is_empty() {
        return "no targets: add one with `nlb target register GROUP ADDRESS:PORT`, or in the configuration\n"
            .to_owned();
    }
    let share = if style.marks { "SHARE OF NEW FLOWS" } else { ">SHARE" };
    let mut headings =
        vec!["TARGET GROUP", "TARGET", "ZONE", ">WEIGHT", share, "HEALTH", "SINCE", "ORIGIN", "NEXT HOP", "REASON"];
    let is_quic = targets.iter().any(|target| target.quic_server_id.is_some());
    if is_quic {
        headings.insert(2, "QUIC ID");
    }
    let mut table = Table::new(&headings);
    for target in targets {
        let (tone, health) = state(target);
        let mut cells = vec![
            target.target_group.as_str().into(),
            target.socket().into(),
            target.zone.as_deref().unwrap_or_default().into(),
            Cell::overriding(target.weight, target.file_weight),
            percent(target.share, style),
            Cell::toned(tone, style.marked(tone, health)),
            age(now.since(target.since)).into(),
            origin(target.origin),
            next_hop(target),
            reason(target, now),
        ];
        if is_quic {
            cells.insert(2, target.quic_server_id.as_deref().unwrap_or_default().into());
        }
        table.row(cells);
    }
    table.render(style)
}

fn percent(share: f64, style: Style) -> Cell {
    let number = format!("{:.1}%", 100.0 * share);
    if style.marks { format!("{} {number:>6}", bar(share)).into() } else { number.into() }
}

fn origin(origin: Origin) -> Cell {
    match origin {
        Origin::File => origin.text().into(),
        Origin::Runtime => Cell::toned(Tone::Warn, origin.text()),
    }
}

fn next_hop(target: &TargetView) -> Cell {
    match (&target.next_hop, &target.no_next_hop) {
        (Some(hop), _) => match hop.gateway {
            Some(gateway) => format!("{gateway} {}", hop.interface).into(),
            None => format!("on link {}", hop.interface).into(),
        },
        (None, Some(why)) => Cell::toned(Tone::Bad, format!("none: {why}")),
        (None, None) => Cell::toned(Tone::Bad, "none"),
    }
}

/// What it is in: its health, or that it leaves.
const fn state(target: &TargetView) -> (Tone, &'static str) {
    if target.draining.is_some() { (Tone::Warn, "draining") } else { health(target.health) }
}

fn reason(target: &TargetView, now: Moment) -> Cell {
    let Some(draining) = &target.draining else { return target.reason.as_str().into() };
    let left = match target.flows {
        Some(flows) => format!("{} flows left", count(flows)),
        None => "flows not counted yet".to_owned(),
    };
    let ends = draining.ends.since(now);
    let ends = match draining.cutting {
        true => "being cut".to_owned(),
        false if ends.is_zero() => "its time is over".to_owned(),
        false => format!("{} to go", age(ends)),
    };
    Cell::toned(Tone::Warn, format!("{}: {left}, {ends}", draining.cause))
}

const fn health(health: Health) -> (Tone, &'static str) {
    match health {
        Health::Healthy => (Tone::Good, health.text()),
        Health::Initial => (Tone::Dim, health.text()),
        Health::Unhealthy => (Tone::Bad, health.text()),
    }
}
