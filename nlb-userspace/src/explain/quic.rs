//! What QUIC's connection ids change about a flow.

use nlb_common::quic::LARGEST_ROTATION;
use nlb_common::slot::{Slot, TargetIndex};

use super::{FlowQuery, Story};
use crate::control::snapshot::{GroupState, ListenerState, Snapshot, TargetState};
use crate::model::{ConnectionId, Quic, Tracking, Traffic};

impl Story {
    /// The target of a listener of QUIC: the one that the packet's connection id names, or that of its slot where no flow is
    /// remembered. `None` when what is remembered is to be asked, as for other listeners.
    pub(super) fn by_quic(
        &mut self,
        snapshot: &Snapshot,
        state: &ListenerState,
        query: &FlowQuery,
        group: &GroupState,
        slot: Slot,
    ) -> Option<TargetIndex> {
        let quic = state.listener.quic?;
        let named = match &query.connection_id {
            Some(id) => match named(group, quic, id) {
                Ok(target) => {
                    let text =
                        format!("its server id is that of {}: it goes there, whatever its flow", target.key.socket());
                    self.step("connection", text);
                    Some(target.index)
                }
                Err(why) => {
                    self.step("connection", format!("{why}: its flow's slot decides"));
                    None
                }
            },
            None => {
                let Quic { server_id_length, config_rotation } = quic;
                let text = format!(
                    "a packet whose connection id has rotation {config_rotation} and the server id of a target, {server_id_length} \
                     bytes, goes there; this is what becomes of others, as of those with which a client begins"
                );
                self.step("connection", text);
                None
            }
        };
        if named.is_some() {
            return named;
        }
        let configured =
            state.listener.served_by.groups().next().and_then(|name| snapshot.configuration.group(name))?;
        if configured.flows.in_force([Traffic::Quic]).tracking != Tracking::None {
            return None;
        }
        self.step("flow", "nothing is remembered of it: it belongs to the current target".to_owned());
        Some(slot.current())
    }
}

/// The target that `id` names, or why it names none.
fn named<'g>(group: &'g GroupState, quic: Quic, id: &ConnectionId) -> Result<&'g TargetState, String> {
    let length = usize::from(quic.server_id_length);
    let (Some(first), Some(server)) = (id.bytes().first(), id.bytes().get(1..=length)) else {
        return Err(format!("connection id {id} has no room for a server id of {length} bytes"));
    };
    match first >> 5 {
        rotation if rotation > LARGEST_ROTATION => {
            return Err(format!("connection id {id} is of a server without configuration (rotation {rotation})"));
        }
        rotation if rotation != quic.config_rotation => {
            let wanted = quic.config_rotation;
            return Err(format!("connection id {id} has rotation {rotation}, and the listener's servers use {wanted}"));
        }
        _ => {}
    }
    let is_named = |target: &&TargetState| target.quic_server_id.as_ref().is_some_and(|id| id.bytes() == server);
    let Some(target) = group.targets.iter().find(is_named) else {
        return Err(format!("no target has the server id of connection id {id}"));
    };
    if !target.serves || target.draining.is_some_and(|draining| draining.cutting) {
        return Err(format!("its server id is that of {}, which serves no more", target.key.socket()));
    }
    Ok(target)
}
