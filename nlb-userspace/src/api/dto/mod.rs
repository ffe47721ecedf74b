//! What travels over the control API, as the agent writes it and the command line reads it.
//!
//! Plain data, one type for both sides, described to OpenAPI where it is declared. Each type knows how to be made of a
//! [`Snapshot`](crate::control::snapshot::Snapshot) or a [`View`](crate::autoscale::runtime::View); nothing here asks the agent or formats for people.

mod asg;
mod change;
mod config;
mod error;
mod group;
mod listener;
mod moment;
mod ports;
mod stats;
mod status;
mod target;
mod words;

pub use asg::{
    ActivityStatus, ActivityView, AsgSummary, AsgView, CompleteHook, ExplanationView, ForecastPointView, ForecastView,
    HookResult, ImportHistory, ImportReport, InstanceState, InstanceView, LastChangeView, MeasuredView, ModelView,
    RefreshStatus, RefreshView, SetDesired, SourceView, StartRefresh, WishView,
};
pub use change::{
    ChangeReport, Difference, DroppedChange, ListenerChangeReport, Register, ReloadReport, SetShare, SetShares,
    SetWeight,
};
pub use config::{AgentConfig, CapacityConfig, Config, FlowConfig, GroupConfig, ListenerConfig, TargetConfig};
pub use error::{ErrorBody, ErrorDetail, Problem};
pub use group::{GroupSummary, GroupView, RingChange};
pub use listener::{GroupShareView, ListenerDetail, ListenerView};
pub use moment::Moment;
pub use ports::ListenerPort;
pub use stats::{DropCount, ListenerCount, Stats, TargetCount, TrafficCount, WayCount};
pub use status::{AgentStatus, ConfigStatus, InterfaceStatus, ReloadFailure, Status};
pub(crate) use target::mac;
pub use target::{DrainingView, NextHopView, TargetView};
pub use words::{Affinity, DrainCause, Health, Origin, Protocol, RingKind, Routing, Tracking, XdpMode};
