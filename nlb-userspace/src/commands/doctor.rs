//! `nlb doctor`.

use std::path::Path;

use serde::Serialize;

use super::CommandError;
use super::output::Output;
use super::render::{Style, Tone, plural};
use crate::api::client::Client;
use crate::args;
use crate::doctor::{Finding, Severity, gather, judge};

#[derive(Debug, Serialize)]
struct Report {
    verdict: Severity,
    findings: Vec<Finding>,
}

/// Looks at everything on the packet's way. Fails when traffic does not flow.
pub(super) async fn run(client: &Client, output: &Output, arguments: &args::Doctor) -> Result<(), CommandError> {
    let by_custom = Path::new(super::detach::TARGET);
    let target = arguments.target_config.as_deref().or_else(|| by_custom.exists().then_some(by_custom));
    let findings = judge(&gather(client, arguments.client_mtu, target).await);
    let verdict = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    output.show(&Report { verdict, findings }, |report, style| text(&report.findings, style))?;
    if verdict == Severity::Fail { Err(CommandError::Shown) } else { Ok(()) }
}

/// Findings in the packet's order, a line each, with what would mend the bad ones; then the sum.
pub fn text(findings: &[Finding], style: Style) -> String {
    let wide = findings.iter().map(|finding| finding.stage.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (tone, word) = match finding.severity {
            Severity::Ok => (Tone::Good, "ok"),
            Severity::Note => (Tone::Dim, "note"),
            Severity::Warn => (Tone::Warn, "WARN"),
            Severity::Fail => (Tone::Bad, "FAIL"),
        };
        let word = style.paint(tone, &style.marked(tone, &format!("{word:<4}")));
        text.push_str(&format!("{word}  {:<wide$}  {}\n", finding.stage, finding.what));
        if let Some(mend) = &finding.mend {
            let indent = " ".repeat(wide + 8 + if style.marks { 2 } else { 0 });
            text.push_str(&format!("{indent}{} {mend}\n", style.paint(Tone::Dim, "mend:")));
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let sum = match (count(Severity::Fail), count(Severity::Warn)) {
        (0, 0) => style.paint(Tone::Good, "nothing keeps traffic from flowing, as far as can be seen from here"),
        (0, warnings) => style.paint(Tone::Warn, &format!("traffic flows; {}", plural(warnings, "warning"))),
        (failures, _) => style.paint(
            Tone::Bad,
            &format!("{} in the way of traffic: mend the first FAIL first", plural(failures, "obstacle")),
        ),
    };
    format!("{text}\n{sum}\n")
}
