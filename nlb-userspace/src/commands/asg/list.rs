//! `nlb asg list`.

use super::super::render::{Cell, Style, Table, Tone, bar};
use crate::api::dto::AsgSummary;

/// Autoscaling groups, a line each.
pub fn list(groups: &[AsgSummary], style: Style) -> String {
    if groups.is_empty() {
        return "no autoscaling groups: the configuration has no [[autoscaling_group]]\n".to_owned();
    }
    let headings =
        ["GROUP", ">DESIRED", ">IN SERVICE", "", ">PENDING", ">LEAVING", ">WARM", "BOUNDS", "PROVIDER", "NOTE"];
    let shown: Vec<_> = headings.into_iter().filter(|heading| style.marks || !heading.is_empty()).collect();
    let mut table = Table::new(&shown);
    for group in groups {
        let (tone, note) = note(group);
        let mut cells: Vec<Cell> = vec![
            group.name.as_str().into(),
            group.desired.to_string().into(),
            Cell::toned(self::tone(group), group.in_service.to_string()),
        ];
        if style.marks {
            cells.push(Cell::toned(self::tone(group), bar(share(group))));
        }
        cells.extend([
            group.pending.to_string().into(),
            group.terminating.to_string().into(),
            group.warm.to_string().into(),
            format!("{} to {}", group.min, group.max).into(),
            group.provider.as_str().into(),
            Cell::toned(tone, note),
        ]);
        table.row(cells);
    }
    table.render(style)
}

fn tone(group: &AsgSummary) -> Tone {
    match u32::try_from(group.in_service).unwrap_or(u32::MAX) {
        0 if group.desired > 0 => Tone::Bad,
        in_service if in_service < group.desired => Tone::Warn,
        _ => Tone::Good,
    }
}

/// How much of the capacity is there.
fn share(group: &AsgSummary) -> f64 {
    let in_service = f64::from(u32::try_from(group.in_service).unwrap_or(u32::MAX));
    if group.desired == 0 { 1.0 } else { (in_service / f64::from(group.desired)).min(1.0) }
}

fn note(group: &AsgSummary) -> (Tone, String) {
    match &group.trouble {
        Some(trouble) => (Tone::Bad, trouble.clone()),
        None if group.suspended.is_empty() => (Tone::Dim, String::new()),
        None => (Tone::Warn, format!("suspended: {}", group.suspended.join(", "))),
    }
}
