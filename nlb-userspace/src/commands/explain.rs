//! `nlb explain SRC SPORT DST DPORT PROTO`.

use super::CommandError;
use super::output::Output;
use super::render::{Style, Tone};
use crate::api::client::Client;
use crate::args::Explain;
use crate::explain::{Explanation, Verdict};

/// Shows where a flow goes, and why.
pub(super) async fn run(client: &Client, output: &Output, flow: Explain) -> Result<(), CommandError> {
    flow.query().map_err(|error| CommandError::Usage(error.to_string()))?;
    let explanation =
        client.explain(flow.source(), flow.destination(), flow.protocol, flow.connection_id.as_ref()).await?;
    output.show(&explanation, text)
}

/// Each stage on a line, and the verdict.
pub fn text(explanation: &Explanation, style: Style) -> String {
    let mut text = String::new();
    for step in &explanation.steps {
        text.push_str(&format!("{}  {}\n", style.paint(Tone::Dim, &format!("{:<12}", step.stage)), step.text));
    }
    let tone = match explanation.verdict {
        Verdict::Forwarded => Tone::Good,
        Verdict::Passed | Verdict::Refused => Tone::Warn,
        Verdict::Dropped => Tone::Bad,
    };
    let verdict = style.paint(tone, &style.marked(tone, &explanation.summary));
    format!("{text}{}  {verdict}\n", style.paint(Tone::Dim, &format!("{:<12}", "verdict")))
}
