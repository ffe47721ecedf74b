//! What is measured for a group, as `nlb asg explain` and `nlb asg show` show it.

use super::super::render::{Cell, Style, Table, Tone, age};
use crate::api::dto::{MeasuredView, Moment};

/// Each source of a group's metrics: its figure and who measured it, or why there is none. Nothing for a group that goes by none.
pub(super) fn measured(measured: Option<&MeasuredView>, now: Moment, style: Style) -> String {
    let Some(measured) = measured.filter(|measured| !measured.sources.is_empty()) else { return String::new() };
    let mut table = Table::new(&["SOURCE", ">FIGURE", "FROM", "MISSING"]);
    for source in &measured.sources {
        table.row([
            source.source.as_str().into(),
            source.figure.map_or_else(String::new, figure).into(),
            source.from.as_str().into(),
            Cell::toned(Tone::Warn, source.missing.clone().unwrap_or_default()),
        ]);
    }
    format!("\nmeasured {} ago\n{}", age(now.since(measured.at)), table.render(style))
}

/// A figure with as many digits as tell something.
pub(super) fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
