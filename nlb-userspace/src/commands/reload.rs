//! `nlb reload`.

use super::CommandError;
use super::output::Output;
use super::render::{Style, Tone};
use crate::api::client::Client;
use crate::api::dto::{Difference, ReloadReport};

/// Has the agent read its file again.
pub(super) async fn run(client: &Client, output: &Output) -> Result<(), CommandError> {
    output.show(&client.reload().await?, text)
}

/// What a reload changed: a line each.
pub fn text(report: &ReloadReport, style: Style) -> String {
    if report.is_empty() {
        return "nothing changed: the file says what is in force already\n".to_owned();
    }
    let mut text = String::new();
    for (thing, difference) in [
        ("listener", &report.listeners),
        ("VIP", &report.vips),
        ("target group", &report.target_groups),
        ("target", &report.targets),
        ("autoscaling group", &report.autoscaling_groups),
    ] {
        text.push_str(&lines(thing, difference, style));
    }
    for group in &report.autoscaling_groups.removed {
        let what = style.paint(Tone::Warn, "! instances that nobody ends now:");
        text.push_str(&format!(
            "{what} those of {group}; give it back with `min = 0`, then `nlb asg set-desired {group} 0`\n"
        ));
    }
    for lost in &report.dropped {
        let what = style.paint(Tone::Warn, "! runtime change forgotten:");
        text.push_str(&format!("{what} {}: {}\n", lost.change, lost.reason));
    }
    if !report.restart_needed.is_empty() {
        let what = style.paint(Tone::Warn, "! used from the agent's next start on:");
        text.push_str(&format!("{what} {}\n", report.restart_needed.join(", ")));
    }
    text
}

fn lines(thing: &str, difference: &Difference, style: Style) -> String {
    let kinds = [
        (Tone::Good, "+", &difference.added),
        (Tone::Bad, "-", &difference.removed),
        (Tone::Warn, "~", &difference.changed),
    ];
    let lines = kinds.into_iter().flat_map(|(tone, sign, names)| {
        names.iter().map(move |name| format!("{} {thing} {name}\n", style.paint(tone, sign)))
    });
    lines.collect()
}
