//! `nlb target-agent`: runs on a target host, or shows or takes back what it set up there.

use super::CommandError;
use super::output::Output;
use super::render::{Cell, Style, Table, Tone};
use crate::args::TargetAgent;
use crate::logging;
use crate::target_agent::{self, Removed, Severity, Status};

/// Runs the target agent until it is told to stop, or does what a flag says instead.
pub(super) fn run(output: Output, arguments: &TargetAgent) -> Result<(), CommandError> {
    let file = &arguments.run.config;
    if arguments.status {
        let status = target_agent::status(file).map_err(|error| CommandError::from_chain(&error))?;
        return output.show(&status, text);
    }
    if arguments.detach {
        let removed = target_agent::detach(file).map_err(|error| CommandError::from_chain(&error))?;
        return output.show(&removed, |removed, _| taken_back(removed));
    }
    logging::init(arguments.run.log_format)
        .map_err(|error| CommandError::failed(error.to_string(), "see `nlb target-agent --help`"))?;
    target_agent::run(file).map_err(|error| CommandError::from_chain(&error))
}

fn text(status: &Status, style: Style) -> String {
    let mut text = String::new();
    let agent = if status.agent { Cell::toned(Tone::Good, "runs") } else { Cell::toned(Tone::Warn, "does not run") };
    let mut table = Table::new(&["WHAT", "STATE"]);
    table.row([Cell::from("agent"), agent]);
    for attached in &status.attachments {
        let state = format!("{:?} mode, program {}", attached.mode, attached.program_id).to_lowercase();
        table.row([Cell::from(format!("interface {}", attached.interface)), Cell::toned(Tone::Good, state)]);
    }
    for vip in &status.vips {
        let state =
            if vip.on_loopback { Cell::toned(Tone::Good, "on lo") } else { Cell::toned(Tone::Bad, "NOT ON LO") };
        table.row([Cell::from(format!("VIP {}", vip.address)), state]);
    }
    for edge in &status.edges {
        table.row([Cell::from(format!("edge {edge}")), Cell::from("its tunnel packets are taken")]);
    }
    for outcome in &status.outcomes {
        table.row([Cell::from(outcome.outcome), Cell::from(format!("{} packets", outcome.packets))]);
    }
    text.push_str(&table.render(style));
    for finding in &status.findings {
        let tone = if finding.severity == Severity::Doubtful { Tone::Warn } else { Tone::Bad };
        text.push_str(&format!("\n{}\n  mend: {}\n", style.paint(tone, &finding.what), finding.mend));
    }
    text
}

fn taken_back(removed: &Removed) -> String {
    let Removed { interfaces, pins, addresses, sysctls } = removed;
    let mut lines: Vec<String> = interfaces.iter().map(|name| format!("detached from {name}")).collect();
    lines.extend(pins.iter().map(|pin| format!("removed {}", pin.display())));
    lines.extend(addresses.iter().cloned());
    lines.extend(sysctls.iter().map(|setting| format!("put back {setting}")));
    if lines.is_empty() {
        lines.push("there was nothing to take back".to_owned());
    }
    lines.join("\n") + "\n"
}
