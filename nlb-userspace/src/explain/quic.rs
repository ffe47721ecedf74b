//! What QUIC's connection ids change about a flow.

use nlb_common::quic::{LARGEST_ROTATION, Named, QuicRule, ServerId};
use nlb_common::slot::{Slot, TargetIndex};

use super::packet::Facts;
use super::{FlowQuery, Story};
use crate::control::snapshot::{GroupState, ListenerState, Snapshot, TargetState};
use crate::model::{ConnectionId, Quic, Tracking, Traffic};

impl Story<'_> {
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
        let named = match (&self.packet, &query.connection_id) {
            (Some(packet), _) => Some(named_by(packet, group, quic)),
            (None, id) => id.as_ref().map(|id| named(group, quic, id)),
        };
        let (text, named) = match named {
            Some(Ok(target)) => {
                let socket = target.key.socket();
                (format!("its server id is that of {socket}: it goes there, whatever its flow"), Some(target.index))
            }
            Some(Err(why)) => (format!("{why}: its flow's slot decides"), None),
            None => {
                let Quic { server_id_length, config_rotation } = quic;
                let text = format!(
                    "a packet whose connection id has rotation {config_rotation} and the server id of a target, {server_id_length} \
                     bytes, goes there; this is what becomes of others, as of those with which a client begins"
                );
                (text, None)
            }
        };
        self.step("connection", text);
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
    let target = group.targets.iter().find(is_named);
    serving(target.ok_or_else(|| format!("no target has the server id of connection id {id}"))?)
}

/// The target that a packet names, or why it names none.
fn named_by<'g>(packet: &Facts<'_>, group: &'g GroupState, quic: Quic) -> Result<&'g TargetState, String> {
    let Named { server, otherwise } = nlb_common::quic::named(packet.frame, packet.payload, quic.server_id_length)
        .map_err(|rule| match rule {
            QuicRule::Begins => "a client begins by it, with a connection id of its own choice".to_owned(),
            _ => "its connection id is of a server without configuration, or it is too short for one".to_owned(),
        })?;
    let is_named = |target: &&TargetState| {
        target.quic_server_id.as_ref().is_some_and(|id| ServerId::new(quic.config_rotation, id.bytes()) == server)
    };
    let target = group.targets.iter().find(is_named).ok_or_else(|| match otherwise {
        QuicRule::Begins => "it has a long header, whose connection id names no target: a client begins".to_owned(),
        _ => "no target has the rotation bits and the server id of its connection id".to_owned(),
    });
    serving(target?)
}

fn serving(target: &TargetState) -> Result<&TargetState, String> {
    if !target.serves || target.draining.is_some_and(|draining| draining.cutting) {
        return Err(format!("its server id is that of {}, which serves no more", target.key.socket()));
    }
    Ok(target)
}
