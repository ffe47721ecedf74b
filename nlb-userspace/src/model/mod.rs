//! What a user configures, as types that can't hold anything invalid.
//!
//! Pure data. Text becomes these types in `config` and `api`; nothing here reads files, sockets or clocks. All of it
//! is serialisable, because the API shows it and the store keeps it.

mod access;
mod agent;
mod change;
mod drain;
mod flow_settings;
mod group;
mod health_check;
mod http_url;
mod listener;
mod name;
mod overlay;
mod ports;
mod quic;
mod target;
mod time;
mod vip;

use std::net::IpAddr;

pub use access::{Access, AccessList, Networks, NewFlowLimit, Verdict};
pub use agent::{AgentSettings, Capacity, PrometheusServer, XdpMode};
pub use change::{Change, ChangeError, Subject};
pub use drain::{Drain, DrainCause, Drains, drains_after, drains_of};
pub use flow_settings::{FlowRules, FlowSettings, Tracking, Traffic};
pub use group::{Affinity, Forwarding, RingKind, RingSize, TargetGroup};
pub use health_check::{CodeRange, HealthCheck, Probe};
pub use http_url::{HttpUrl, InvalidHttpUrl};
pub use listener::{GroupShare, InvalidShare, Listener, Protocol, ServedBy};
pub use name::{InvalidName, Name};
pub use overlay::{Moot, Overlay, Overridden, Settled, ShareKey, Was};
pub use ports::{InvalidPorts, Ports, at, place};
pub use quic::{ConnectionId, InvalidConnectionId, InvalidServerId, Quic, QuicServerId};
pub use target::{Target, TargetKey, Weight};
pub use time::Timestamp;
pub use vip::Vip;

use crate::autoscale::model::AutoscalingGroup;

/// A whole configuration, checked: names are unique, every listener's group exists, no two listeners of an address and
/// protocol claim the same port by equally many ports, and everything fits the capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// How the agent itself runs.
    pub agent: AgentSettings,
    /// Where traffic is accepted, in the file's order.
    pub listeners: Vec<Listener>,
    /// What holds for addresses of listeners, in the file's order; each is there once.
    pub vips: Vec<Vip>,
    /// Where it goes, in the file's order.
    pub groups: Vec<TargetGroup>,
    /// What launches instances that become targets, in the file's order.
    pub autoscaling_groups: Vec<AutoscalingGroup>,
}

impl Configuration {
    /// The group of that name.
    pub fn group(&self, name: &Name) -> Option<&TargetGroup> {
        self.groups.iter().find(|group| &group.name == name)
    }

    /// The listener of that name.
    pub fn listener(&self, name: &Name) -> Option<&Listener> {
        self.listeners.iter().find(|listener| &listener.name == name)
    }

    /// How the servers of that group make QUIC's connection ids, if a listener of it asks: the same for all that do.
    pub fn quic_of(&self, group: &Name) -> Option<Quic> {
        self.listeners.iter().filter(|listener| listener.served_by.is_by(group)).find_map(|listener| listener.quic)
    }

    /// Whether what comes to `address` for a port without listener is refused.
    pub fn is_exclusive(&self, address: IpAddr) -> bool {
        self.vips.iter().any(|vip| vip.address == address && vip.exclusive)
    }

    /// The target of that name.
    pub fn target(&self, key: &TargetKey) -> Option<&Target> {
        let targets = &self.group(&key.group)?.targets;
        targets.iter().find(|target| target.address == key.address && target.port == key.port)
    }
}
