//! Which target a flow gets, and why: the packet path's decision, made again over a snapshot.
//!
//! A pure function, used by the API and in tests. It follows the packet path stage by stage and says what each stage
//! found; it reads the same ring, the same hash and the same tables. What the kernel remembers of the flow is passed in.
//! A file for each stage: `packet` (link, network, transport), `listener`, `guard`, `quic`, `slot`, `target`, `way`.

mod guard;
mod listener;
mod packet;
mod query;
mod quic;
mod slot;
mod takers;
mod target;
mod way;

use nlb_common::flow::Pin;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::snapshot::Snapshot;
use crate::model::{Forwarding, Protocol};

use packet::Facts;
pub use packet::{Frame, explain_packet};
pub use query::{FlowQuery, MixedFamilies};
pub use takers::known_as;
use way::forwarding;

/// What becomes of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes to a target.
    Forwarded,
    /// It is dropped.
    Dropped,
    /// It goes to this host's own stack.
    Passed,
    /// Its sender is told that nobody serves it, or that it doesn't fit.
    Refused,
    /// The edge answers it itself.
    Answered,
}

/// What becomes of a flow, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub summary: String,
    /// Name of the listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// Name of the target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group: Option<String>,
    /// Number of the slot within the group's ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u32>,
    /// The target: `address:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Each stage of the decision, in the packet's order.
    pub steps: Vec<Step>,
}

/// One stage of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The stage: of a packet `link`, `network`, `transport` and `way`; of its flow `listener` or `gateway`, `access`, `limit`, `share`,
    /// `group`, `hash`, `slot`, `connection`, `flow`, `target`, `next hop`, `outer header`, `size` or `second chance`.
    pub stage: String,
    /// What it found.
    pub text: String,
}

/// Follows `query` through `snapshot`; `pin` is what is remembered of the flow.
pub fn explain(snapshot: &Snapshot, query: &FlowQuery, pin: Option<&Pin>) -> Explanation {
    let mut story = Story::new();
    let end = story.tell(snapshot, query, pin);
    story.end(end)
}

/// What was told so far.
struct Story<'p> {
    told: Explanation,
    /// What is known of the packet, if it is one and not only a flow.
    packet: Option<Facts<'p>>,
}

/// How a way ends before a target has the packet: the verdict, and a sentence.
type End = (Verdict, String);

impl Story<'_> {
    const fn new() -> Self {
        let told = Explanation {
            verdict: Verdict::Passed,
            summary: String::new(),
            listener: None,
            target_group: None,
            slot: None,
            target: None,
            steps: Vec::new(),
        };
        Self { told, packet: None }
    }

    fn step(&mut self, stage: &str, text: String) {
        self.told.steps.push(Step { stage: stage.to_owned(), text });
    }

    fn end(mut self, end: Result<String, End>) -> Explanation {
        let (verdict, summary) = end.map_or_else(|end| end, |summary| (Verdict::Forwarded, summary));
        self.told.verdict = verdict;
        self.told.summary = summary;
        self.told
    }

    fn tell(&mut self, snapshot: &Snapshot, query: &FlowQuery, pin: Option<&Pin>) -> Result<String, End> {
        let listener = self.listener(snapshot, query)?;
        self.segment()?;
        self.guard(listener, query)?;
        let served_by = &listener.listener.served_by;
        let group = snapshot.serving(listener).ok_or_else(|| {
            let name = &listener.listener.name;
            (Verdict::Dropped, format!("listener `{name}` names group `{served_by}`, which is not there"))
        })?;
        let group = group.as_ref();
        self.shares(snapshot, listener);
        self.group(group);
        let slot = self.slot(snapshot, group, &query.flow_of(&listener.listener, group.affinity))?;
        let index = match self.by_quic(snapshot, listener, query, group, slot) {
            Some(index) => index,
            None => self.remembered(group, slot, pin),
        };
        let target = self.target(group, index)?;
        self.told.target_group = Some(target.key.group.to_string());
        let summary = self.way(snapshot, query, target)?;
        if forwarding(snapshot, &target.key.group) == Forwarding::Gue && query.protocol == Protocol::Tcp {
            self.second_chance(group, slot, target);
        }
        Ok(summary)
    }
}
