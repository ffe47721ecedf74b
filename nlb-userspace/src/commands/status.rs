//! `nlb status`: the overview.

use std::time::Duration;

use super::CommandError;
use super::output::Output;
use super::render::{Style, Tone, age, bits, count, rate};
use super::stats::Change;
use super::target_group;
use crate::api::client::Client;
use crate::api::dto::{InterfaceStatus, Stats, Status, XdpMode};

/// Between the two readings that rates are made of.
const READING: Duration = Duration::from_millis(500);

/// Shows how all does.
pub(super) async fn run(client: &Client, output: &Output) -> Result<(), CommandError> {
    let status = client.status().await?;
    if output.is_json() {
        return output.show(&status, |_, _| String::new());
    }
    let first = client.stats().await;
    let readings = match first {
        Ok(first) => {
            tokio::time::sleep(READING).await;
            client.stats().await.map(|second| (first, second))
        }
        Err(error) => Err(error),
    };
    let readings = readings.map_err(|error| error.to_string());
    output.text(&text(&status, readings.as_ref().map(|(first, second)| (first, second)), output.style()))
}

/// The overview, with rates from two readings of the counters, or why there are none.
pub fn text(status: &Status, readings: Result<(&Stats, &Stats), &String>, style: Style) -> String {
    let mut lines = head(status, style);
    match readings {
        Ok((first, second)) => lines.extend(traffic(first, second, style)),
        Err(why) => lines.push(("traffic", style.paint(Tone::Bad, &format!("the counters can't be read: {why}")))),
    }
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{}  {value}\n", style.paint(Tone::Dim, &format!("{name:<10}"))));
    }
    text.push('\n');
    text + &target_group::list(&status.target_groups, style)
}

fn head(status: &Status, style: Style) -> Vec<(&'static str, String)> {
    let agent = &status.agent;
    let zone = agent.zone.as_ref().map_or_else(String::new, |zone| format!(", zone {zone}"));
    let up = age(status.at.since(agent.started));
    let loaded = age(status.at.since(status.config.loaded));
    let mut lines = vec![
        ("agent", format!("nlb {}, up {up}, pid {}{zone}", agent.version, agent.pid)),
        ("config", format!("{}, loaded {loaded} ago", status.config.path)),
    ];
    if let Some(failure) = &status.config.reload_failure {
        let ago = age(status.at.since(failure.at));
        lines.push(("", style.paint(Tone::Bad, &format!("RELOAD FAILED {ago} ago, the above is still in force:"))));
        lines.extend(failure.reason.lines().map(|line| ("", line.to_owned())));
    }
    let interfaces: Vec<_> = status.interfaces.iter().map(|interface| attached(interface, style)).collect();
    lines.push(("program", format!("{}; layout {}", interfaces.join(", "), agent.layout_version)));
    if let Some(error) = &status.dataplane_error {
        lines.push(("tables", style.paint(Tone::Bad, &format!("NOT WHAT THEY SHOULD BE: {error}"))));
    }
    lines.push(("listeners", status.listeners.to_string()));
    lines
}

fn attached(interface: &InterfaceStatus, style: Style) -> String {
    let name = &interface.name;
    let (tone, text) = match (interface.mode, interface.program_id) {
        (Some(XdpMode::Native), Some(id)) => (Tone::Good, format!("{name} native (program {id})")),
        (Some(XdpMode::Generic), Some(id)) => (Tone::Warn, format!("{name} GENERIC, slow (program {id})")),
        _ => (Tone::Bad, format!("{name} NOT ATTACHED")),
    };
    style.paint(tone, &style.marked(tone, &text))
}

fn traffic(first: &Stats, second: &Stats, style: Style) -> Vec<(&'static str, String)> {
    let change = Change::between(first, second);
    let total = change.total();
    let per_second = |counted| change.per_second(counted);
    let mut lines = vec![(
        "traffic",
        format!(
            "{} packets/s, {}, {} new flows/s",
            rate(per_second(total.packets)),
            bits(per_second(total.bytes)),
            rate(per_second(total.new_flows))
        ),
    )];
    let drops: Vec<_> = second.drops.iter().zip(&change.stats().drops).filter(|(drop, _)| drop.packets > 0).collect();
    if drops.is_empty() {
        lines.push(("drops", "none".to_owned()));
    }
    for (index, (drop, grown)) in drops.into_iter().enumerate() {
        let now =
            if grown.packets > 0 { format!(", now {}/s", rate(per_second(grown.packets))) } else { String::new() };
        let tone = if grown.packets > 0 { Tone::Bad } else { Tone::Warn };
        let text = format!("{}: {} ({} in all{now})", drop.reason, drop.text, count(drop.packets));
        lines.push((if index == 0 { "drops" } else { "" }, style.paint(tone, &text)));
    }
    lines
}
