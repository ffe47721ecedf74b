//! `nlb explain SRC SPORT DST DPORT PROTO` and `nlb explain --pcap FILE`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::CommandError;
use super::output::Output;
use super::render::{Style, Tone};
use crate::api::client::Client;
use crate::api::dto::Protocol;
use crate::args::{Explain, Explained};
use crate::capture::{FilePacket, packets};
use crate::explain::{Explanation, FlowQuery, Verdict};
use crate::model::ConnectionId;

/// Shows where a flow or packets go, and why.
pub(super) async fn run(client: &Client, output: &Output, asked: Explain) -> Result<(), CommandError> {
    match asked.explained() {
        Some(Explained::Flow { source, destination, protocol, connection_id }) => {
            flow(client, output, source, destination, protocol, connection_id.as_ref()).await
        }
        Some(Explained::Packets { file, packet }) => of_file(client, output, &file, packet).await,
        None => Err(CommandError::Usage("a flow or a file is needed".to_owned())),
    }
}

async fn flow(
    client: &Client,
    output: &Output,
    source: SocketAddr,
    destination: SocketAddr,
    protocol: Protocol,
    connection_id: Option<&ConnectionId>,
) -> Result<(), CommandError> {
    FlowQuery::new(source, destination, protocol.into()).map_err(|error| CommandError::Usage(error.to_string()))?;
    let explanation = client.explain(source, destination, protocol, connection_id).await?;
    output.show(&explanation, text)
}

/// What happens to a packet of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ExplainedPacket {
    /// Its number in the file.
    packet: u64,
    #[serde(flatten)]
    explanation: Explanation,
}

async fn of_file(client: &Client, output: &Output, path: &Path, only: Option<u64>) -> Result<(), CommandError> {
    let unreadable = |why: String| {
        CommandError::failed(
            format!("cannot read {}: {why}", path.display()),
            "name a file of tcpdump, Wireshark or `nlb capture`",
        )
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let (mut wanted, mut last) = (Vec::new(), 0);
    packets(file, |packet| {
        last = packet.number;
        if only.map_or(!packet.leaves, |only| only == packet.number) {
            wanted.push(packet);
        }
        only.is_none_or(|only| last < only)
    })
    .map_err(|error| unreadable(error.to_string()))?;
    if wanted.is_empty() {
        let mend = "see `tcpdump -# -r FILE`; packets that are marked as leaving are shown by --packet alone";
        return Err(CommandError::failed(format!("of {last} packets in the file none was asked for"), mend));
    }
    let mut explained = Vec::new();
    for FilePacket { number, bytes, length, .. } in wanted {
        let explanation = client.explain_packet(bytes, length).await?;
        explained.push(ExplainedPacket { packet: number, explanation });
    }
    output.show(&explained, |explained, style| {
        let one = |of: &ExplainedPacket| {
            let title = style.paint(Tone::Bold, &format!("packet {}", of.packet));
            format!("{title}\n{}", text(&of.explanation, style))
        };
        explained.iter().map(one).collect::<Vec<_>>().join("\n")
    })
}

/// Each stage on a line, and the verdict.
pub fn text(explanation: &Explanation, style: Style) -> String {
    let mut text = String::new();
    for step in &explanation.steps {
        text.push_str(&format!("{}  {}\n", style.paint(Tone::Dim, &format!("{:<12}", step.stage)), step.text));
    }
    let tone = match explanation.verdict {
        Verdict::Forwarded | Verdict::Answered => Tone::Good,
        Verdict::Passed | Verdict::Refused => Tone::Warn,
        Verdict::Dropped => Tone::Bad,
    };
    let verdict = style.paint(tone, &style.marked(tone, &explanation.summary));
    format!("{text}{}  {verdict}\n", style.paint(Tone::Dim, &format!("{:<12}", "verdict")))
}
