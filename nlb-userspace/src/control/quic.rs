//! Which targets the connection ids of QUIC name.

use nlb_common::flow::Tracking;
use nlb_common::quic::{ServerId, ServerKey};

use super::notice::Notice;
use super::state::State;
use crate::dataplane::Tables;
use crate::model::{DrainCause, Listener, Quic, TargetGroup, TargetKey, Traffic};

impl State {
    /// Puts the targets of a listener of QUIC into `tables`: those that have entries, registered ones first. One that leaves keeps
    /// its connections until it is gone, unless another has its id now.
    pub(super) fn build_quic(
        &self,
        listener: &Listener,
        quic: Quic,
        counters: u32,
        tables: &mut Tables,
        notices: &mut Vec<Notice>,
    ) {
        let groups = || self.groups.iter().filter(|group| listener.served_by.is_by(&group.name));
        let registered = groups().flat_map(|group| group.targets.iter().map(|target| (group.key(target), target)));
        let leaving = self
            .drains
            .iter()
            .filter(|(key, drain)| drain.cause == DrainCause::Deregistered && listener.served_by.is_by(&key.group));
        let leaving = leaving.map(|(key, drain)| (key.clone(), &drain.target));
        let mut owners = std::collections::BTreeMap::<ServerKey, TargetKey>::new();
        for (key, target) in registered.chain(leaving) {
            let Some(index) = self.target_indexes.get(&self.tag_of_target(&key)) else { continue };
            let id = quic.server_id(target);
            let server = ServerKey::new(counters, ServerId::new(quic.config_rotation, id.bytes()));
            match owners.get(&server) {
                // The same host.
                Some(owner) if owner.socket() == key.socket() => {}
                Some(owner) => notices.push(Notice::SameServerId { target: key, id, other: owner.clone() }),
                None if tables.quic_servers.len() >= self.room_for_quic() => {
                    return notices.push(Notice::Full { what: "targets", name: format!("QUIC's server id of {key}") });
                }
                None => {
                    tables.quic_servers.insert(server, index);
                    owners.insert(server, key);
                }
            }
        }
    }

    fn room_for_quic(&self) -> usize {
        usize::try_from(self.configuration.agent.capacity.quic_servers()).unwrap_or(usize::MAX)
    }

    /// Which flows of a listener of QUIC are remembered, of those that no connection id takes to a target. Whatever else `group`
    /// serves: a connection that begins needs no memory, for its server's first answer gives it an id.
    pub(super) fn quic_tracking(group: &TargetGroup) -> u8 {
        Tracking::from(group.flows.in_force([Traffic::Quic]).tracking) as u8
    }
}
