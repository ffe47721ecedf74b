//! How long flows live, and what becomes of those of a target that goes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// Which flows of a group are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracking {
    /// Those that a change of targets would otherwise break.
    Transition,
    /// Every flow.
    All,
    /// None.
    None,
}

impl From<Tracking> for nlb_common::flow::Tracking {
    fn from(tracking: Tracking) -> Self {
        match tracking {
            Tracking::Transition => Self::Transition,
            Tracking::All => Self::All,
            Tracking::None => Self::None,
        }
    }
}

/// Settings of a group about its flows. What is `None` follows from the protocols of the group's listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowSettings {
    /// Which flows are remembered; `None`: every flow when a listener is UDP or SCTP, else those in
    /// transition.
    pub tracking: Option<Tracking>,
    /// A flow without packets for longer is over: 60 to 6000 s; `None`: 350 s for TCP, 120 s for UDP and SCTP.
    pub idle_timeout: Option<Duration>,
    /// How long a target that leaves keeps its flows: 0 to 3600 s, 300 s by default.
    pub deregistration_delay: Duration,
    /// Whether flows that are left after the deregistration delay are cut, TCP by a reset to the client; `None`: only
    /// when no listener is TCP. Otherwise they are given to other targets.
    pub connection_termination: Option<bool>,
    /// Whether the flows of a target that fails its checks are given up at once; on by default, but for appliances, whose flows
    /// stay.
    pub unhealthy_connection_termination: bool,
    /// How long they are kept otherwise; zero: as long as they last.
    pub unhealthy_draining_interval: Duration,
    /// Time in which the share of a target that became healthy rises to its own: 30 to 900 s; zero, the default: at
    /// once.
    pub slow_start: Duration,
}

impl Default for FlowSettings {
    fn default() -> Self {
        Self {
            tracking: None,
            idle_timeout: None,
            deregistration_delay: Duration::from_secs(300),
            connection_termination: None,
            unhealthy_connection_termination: true,
            unhealthy_draining_interval: Duration::ZERO,
            slow_start: Duration::ZERO,
        }
    }
}

impl FlowSettings {
    /// What a flow of `protocol` may be silent for.
    pub fn idle_timeout_of(&self, protocol: Protocol) -> Duration {
        self.idle_timeout.unwrap_or(match protocol {
            Protocol::Tcp | Protocol::All => Duration::from_secs(350),
            // An SCTP association says something every 30 s, whether it has data or not (RFC 9260, section 8.3).
            Protocol::Udp | Protocol::Sctp => Duration::from_secs(120),
        })
    }

    /// The settings in force for a group whose listeners have these `protocols`; without listeners as for TCP.
    pub fn in_force(&self, protocols: impl IntoIterator<Item = Protocol>) -> FlowRules {
        let (mut tcp, mut others) = (false, false);
        for protocol in protocols {
            match protocol {
                Protocol::Tcp => tcp = true,
                Protocol::Udp | Protocol::Sctp => others = true,
                Protocol::All => (tcp, others) = (true, true),
            }
        }
        let by_protocols = if others { Tracking::All } else { Tracking::Transition };
        let longest = if others && !tcp { Protocol::Udp } else { Protocol::Tcp };
        FlowRules {
            tracking: self.tracking.unwrap_or(by_protocols),
            idle_timeout: self.idle_timeout_of(longest),
            connection_termination: self.connection_termination.unwrap_or(others && !tcp),
        }
    }
}

/// What [`FlowSettings`] leave to the protocols, decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRules {
    /// Which flows are remembered.
    pub tracking: Tracking,
    /// The longest time that a flow of the group may be silent for.
    pub idle_timeout: Duration,
    /// Whether flows that are left after the deregistration delay are cut.
    pub connection_termination: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_follows_from_the_listeners_protocols() {
        use Protocol::{All, Sctp, Tcp, Udp};
        let cases: [(&[Protocol], _, _, _); 6] = [
            (&[], Tracking::Transition, 350, false),
            (&[Tcp], Tracking::Transition, 350, false),
            (&[Udp], Tracking::All, 120, true),
            (&[Sctp], Tracking::All, 120, true),
            (&[Tcp, Udp], Tracking::All, 350, false),
            (&[All], Tracking::All, 350, false),
        ];
        for (protocols, tracking, idle, connection_termination) in cases {
            let idle_timeout = Duration::from_secs(idle);
            let rules = FlowRules { tracking, idle_timeout, connection_termination };
            assert_eq!(FlowSettings::default().in_force(protocols.iter().copied()), rules, "{protocols:?}");
        }
        let set = FlowSettings {
            tracking: Some(Tracking::None),
            idle_timeout: Some(Duration::from_secs(60)),
            connection_termination: Some(true),
            ..FlowSettings::default()
        };
        let idle_timeout = Duration::from_secs(60);
        let rules = FlowRules { tracking: Tracking::None, idle_timeout, connection_termination: true };
        assert_eq!(set.in_force([Tcp, Udp]), rules);
    }
}
