//! `nlb stats`: counters, or with `--watch` rates per second; and active flows.

use std::time::Duration;

use super::CommandError;
use super::output::Output;
use super::render::{Cell, Style, Table, Tone, bits, count, rate};
use crate::api::client::Client;
use crate::api::dto::{Stats, TrafficCount};
use crate::args;

/// Clears the terminal and goes to its first place.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Shows counters.
pub(super) async fn run(client: &Client, output: &Output, arguments: args::Stats) -> Result<(), CommandError> {
    let mut last = client.stats().await?;
    if !arguments.watch {
        return output.show(&last, totals);
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.interval.into())) => {}
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
        let next = client.stats().await?;
        if output.is_json() {
            output.line(&Change::between(&last, &next).rates(), "")?;
        } else {
            let clear = if output.style().marks { CLEAR } else { "" };
            output.text(&format!("{clear}{}", rates(&last, &next, output.style())))?;
        }
        last = next;
    }
}

/// Totals since the program was first loaded.
pub fn totals(stats: &Stats, style: Style) -> String {
    let traffic = |traffic: &TrafficCount| -> [Cell; 3] {
        [count(traffic.packets).into(), count(traffic.bytes).into(), count(traffic.new_flows).into()]
    };
    let drops = stats.drops.iter().map(|drop| (drop.reason.as_str(), drop.text.as_str(), drop.packets));
    let headings = [">PACKETS", ">BYTES", ">NEW FLOWS"];
    tables(
        stats,
        headings,
        traffic,
        drops.map(|(reason, text, packets)| (reason, text, count(packets), packets > 0)),
        style,
    )
}

/// Rates per second between two readings.
pub fn rates(last: &Stats, next: &Stats, style: Style) -> String {
    let change = Change::between(last, next);
    let traffic = |traffic: &TrafficCount| -> [Cell; 3] {
        [
            rate(change.per_second(traffic.packets)).into(),
            bits(change.per_second(traffic.bytes)).into(),
            rate(change.per_second(traffic.new_flows)).into(),
        ]
    };
    let drops = change.stats.drops.iter().map(|drop| {
        let text = format!("{}/s", rate(change.per_second(drop.packets)));
        (drop.reason.as_str(), drop.text.as_str(), text, drop.packets > 0)
    });
    let headings = [">PACKETS/S", ">TRAFFIC", ">NEW FLOWS/S"];
    tables(&change.stats, headings, traffic, drops, style)
}

/// What happened between two readings, and how long that took.
pub(super) struct Change {
    stats: Stats,
    seconds: f64,
}

impl Change {
    /// From `last` to `next`. What is new in `next` counts from zero; what began again counts from zero too.
    pub(super) fn between(last: &Stats, next: &Stats) -> Self {
        let mut stats = next.clone();
        for listener in &mut stats.listeners {
            let before = last.listeners.iter().find(|before| before.listener == listener.listener);
            subtract(&mut listener.traffic, before.map(|before| before.traffic));
            let refused = before.map(|before| before.refused).unwrap_or_default();
            let now = &mut listener.refused;
            now.source_denied = now.source_denied.saturating_sub(refused.source_denied);
            now.new_flow_limit = now.new_flow_limit.saturating_sub(refused.new_flow_limit);
        }
        for target in &mut stats.targets {
            let key = (&target.target_group, target.address, target.port);
            let before = last.targets.iter().find(|before| (&before.target_group, before.address, before.port) == key);
            subtract(&mut target.traffic, before.map(|before| before.traffic));
        }
        for drop in &mut stats.drops {
            let before = last.drops.iter().find(|before| before.reason == drop.reason);
            drop.packets = drop.packets.saturating_sub(before.map_or(0, |before| before.packets));
        }
        for way in &mut stats.ways {
            let before = last.ways.iter().find(|before| before.outcome == way.outcome);
            way.packets = way.packets.saturating_sub(before.map_or(0, |before| before.packets));
        }
        Self { stats, seconds: next.at.since(last.at).as_secs_f64().max(0.001) }
    }

    /// A counted change as a rate.
    pub(super) fn per_second(&self, counted: u64) -> f64 {
        u32::try_from(counted).map_or_else(|_| counted_as_float(counted), f64::from) / self.seconds
    }

    /// All listeners together.
    pub(super) fn total(&self) -> TrafficCount {
        self.stats.listeners.iter().fold(TrafficCount::default(), |sum, listener| TrafficCount {
            packets: sum.packets + listener.traffic.packets,
            bytes: sum.bytes + listener.traffic.bytes,
            new_flows: sum.new_flows + listener.traffic.new_flows,
        })
    }

    /// What happened: counts between the two readings.
    pub(super) const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// For scripts: the change and the seconds it took.
    fn rates(&self) -> serde_json::Value {
        serde_json::json!({ "seconds": self.seconds, "change": self.stats })
    }
}

/// Above 2^53 a float can't hold every count; a rate does not need to.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
const fn counted_as_float(counted: u64) -> f64 {
    counted as f64
}

fn subtract(traffic: &mut TrafficCount, before: Option<TrafficCount>) {
    let Some(before) = before.filter(|before| before.packets <= traffic.packets) else { return };
    traffic.packets -= before.packets;
    traffic.bytes = traffic.bytes.saturating_sub(before.bytes);
    traffic.new_flows = traffic.new_flows.saturating_sub(before.new_flows);
}

const ACTIVE: &str = ">ACTIVE FLOWS";

/// Nothing while it is not known.
fn active(flows: Option<u64>) -> Cell {
    flows.map(count).unwrap_or_default().into()
}

fn tables<'s>(
    stats: &'s Stats,
    headings: [&'static str; 3],
    traffic: impl Fn(&TrafficCount) -> [Cell; 3],
    drops: impl Iterator<Item = (&'s str, &'s str, String, bool)>,
    style: Style,
) -> String {
    let [packets, bytes, flows] = headings;
    let mut listeners = Table::new(&["LISTENER", "PROTOCOL", "ADDRESS", packets, bytes, flows, ACTIVE]);
    for listener in &stats.listeners {
        let address = crate::model::place(listener.address, listener.prefix_length, &listener.port);
        let named: [Cell; 3] = [listener.listener.as_str().into(), listener.protocol.text().into(), address.into()];
        let counted = traffic(&listener.traffic).into_iter().chain([active(listener.active_flows)]);
        listeners.row(named.into_iter().chain(counted));
    }
    let mut targets = Table::new(&["TARGET GROUP", "TARGET", "ZONE", packets, bytes, flows, ACTIVE]);
    for target in &stats.targets {
        let address = std::net::SocketAddr::new(target.address, target.port).to_string();
        let zone = target.zone.as_deref().unwrap_or_default();
        let named: [Cell; 3] = [target.target_group.as_str().into(), address.into(), zone.into()];
        let counted = traffic(&target.traffic).into_iter().chain([active(target.active_flows)]);
        targets.row(named.into_iter().chain(counted));
    }
    let mut reasons = Table::new(&["DROPPED", ">PACKETS", "WHY"]);
    let mut dropped = false;
    for (reason, why, packets, happened) in drops.filter(|(_, _, _, happened)| *happened) {
        dropped |= happened;
        reasons.row([Cell::from(reason), Cell::toned(Tone::Bad, packets), why.into()]);
    }
    let reasons = if dropped { reasons.render(style) } else { "nothing dropped\n".to_owned() };
    format!("{}\n{}\n{reasons}", listeners.render(style), targets.render(style))
}
