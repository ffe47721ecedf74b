//! How long flows live, and what becomes of those of a target that goes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Protocol;

/// What a listener carries, as far as it matters to what becomes of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// TCP.
    Tcp,
    /// UDP or SCTP.
    Datagrams,
    /// QUIC, whose connection ids name targets: nothing needs to be remembered of its flows.
    Quic,
    /// Whatever is routed through a gateway.
    All,
}

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
    /// Which flows are remembered; `None`: every flow when a listener is UDP or SCTP, else those in transition, and none of
    /// QUIC's, which don't count here.
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

    /// The settings in force for a group whose listeners have this `traffic`; without listeners as for TCP.
    pub fn in_force(&self, traffic: impl IntoIterator<Item = Traffic>) -> FlowRules {
        let (mut tcp, mut datagrams, mut quic) = (false, false, false);
        for traffic in traffic {
            match traffic {
                Traffic::Tcp => tcp = true,
                Traffic::Datagrams => datagrams = true,
                Traffic::Quic => quic = true,
                Traffic::All => (tcp, datagrams) = (true, true),
            }
        }
        let by_traffic = match (datagrams, tcp, quic) {
            (true, _, _) => Tracking::All,
            (false, false, true) => Tracking::None,
            (false, _, _) => Tracking::Transition,
        };
        let udp_alone = (datagrams || quic) && !tcp;
        FlowRules {
            tracking: self.tracking.unwrap_or(by_traffic),
            idle_timeout: self.idle_timeout_of(if udp_alone { Protocol::Udp } else { Protocol::Tcp }),
            connection_termination: self.connection_termination.unwrap_or(udp_alone),
            uncounted: quic,
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
    /// Whether there may be flows that nobody counts, for their targets are named by connection ids: a target that leaves is then
    /// given its whole time.
    pub uncounted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_follows_from_what_the_listeners_carry() {
        use Traffic::{All, Datagrams, Quic, Tcp};
        let cases: [(&[Traffic], _, _, _); 8] = [
            (&[], Tracking::Transition, 350, false),
            (&[Tcp], Tracking::Transition, 350, false),
            (&[Datagrams], Tracking::All, 120, true),
            (&[Tcp, Datagrams], Tracking::All, 350, false),
            (&[All], Tracking::All, 350, false),
            (&[Quic], Tracking::None, 120, true),
            (&[Tcp, Quic], Tracking::Transition, 350, false),
            (&[Quic, Datagrams], Tracking::All, 120, true),
        ];
        for (traffic, tracking, idle, connection_termination) in cases {
            let idle_timeout = Duration::from_secs(idle);
            let uncounted = traffic.contains(&Quic);
            let rules = FlowRules { tracking, idle_timeout, connection_termination, uncounted };
            assert_eq!(FlowSettings::default().in_force(traffic.iter().copied()), rules, "{traffic:?}");
        }
        let set = FlowSettings {
            tracking: Some(Tracking::None),
            idle_timeout: Some(Duration::from_secs(60)),
            connection_termination: Some(true),
            ..FlowSettings::default()
        };
        let idle_timeout = Duration::from_secs(60);
        let (tracking, connection_termination) = (Tracking::None, true);
        let rules = FlowRules { tracking, idle_timeout, connection_termination, uncounted: false };
        assert_eq!(set.in_force([Tcp, Datagrams]), rules);
    }
}
