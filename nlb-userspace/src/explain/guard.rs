//! Whether the listener's access list lets the source in, and what its limit says.

use nlb_common::drop_reason::DropReason;

use super::{End, FlowQuery, Story, Verdict};
use crate::control::snapshot::ListenerState;
use crate::model::Verdict as Access;

impl Story<'_> {
    pub(super) fn guard(&mut self, state: &ListenerState, query: &FlowQuery) -> Result<(), End> {
        let ListenerState { listener, .. } = state;
        let source = query.source.ip();
        if let Some((verdict, network)) = listener.access.list.as_ref().and_then(|list| list.verdict(source)) {
            let says = if verdict == Access::Allow { "allows" } else { "denies" };
            self.step("access", format!("the list {says} {network}, the longest prefix of {source}"));
            if verdict == Access::Deny {
                let reason = DropReason::SourceDenied.name();
                let summary = format!("dropped as `{reason}`: `{}` lets nobody in from {network}", listener.name);
                return Err((Verdict::Dropped, summary));
            }
        }
        if let Some(limit) = listener.new_flows {
            let reason = DropReason::NewFlowLimit.name();
            self.step("limit", format!("new flows: {limit}; SYNs beyond are dropped as `{reason}`"));
        }
        Ok(())
    }
}
