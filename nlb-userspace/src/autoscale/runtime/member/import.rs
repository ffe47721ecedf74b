//! A load that others recorded becomes the history of the policies that forecast it.

use tracing::warn;

use super::super::Refusal;
use super::super::handle::Import;
use super::{Context, Member, predictive};
use crate::model::Name;

impl Member {
    /// Takes in a load for all policies that forecast it, and keeps it: for all, or for none.
    pub(in super::super) fn import(&mut self, import: &Import, context: &Context) -> Result<(), Refusal> {
        let (now, group) = (context.clock.now(), self.caller.group.clone());
        let end = import.minutes.end();
        if end > now {
            return Err(Refusal::NotOver { end });
        }
        let loads = || predictive(self.engine.group());
        let policies: Vec<Name> =
            loads().filter(|(_, rule)| rule.load == import.metric).map(|(policy, _)| policy.clone()).collect();
        if policies.is_empty() {
            let known = loads().map(|(_, rule)| format!("`{}`", rule.load)).collect();
            return Err(Refusal::UnknownLoad { group, metric: import.metric.to_string(), known });
        }
        let with_it = |policy: &Name| Some((policy.clone(), self.foresights.get(policy)?.with(&import.minutes, now)));
        let histories: Vec<_> = policies.iter().filter_map(with_it).collect();
        let rows: Vec<_> = histories.iter().map(|(policy, history)| (policy, history)).collect();
        if let Err(error) = context.store.save_histories(&group, &rows) {
            warn!("a load that was to be imported for autoscaling group {group} is not kept: {error}");
            return Err(Refusal::NotKept { reason: "nothing was imported, see the agent's log".to_owned() });
        }
        for (policy, history) in histories {
            if let Some(foresight) = self.foresights.get_mut(&policy) {
                foresight.learn_anew(history, now);
            }
        }
        Ok(())
    }
}
