//! Where the edge accepts traffic.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Access, Name, NewFlowLimit, Ports, at};

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The IANA protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// Address, protocol and ports that traffic is accepted for, and the group that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: Name,
    /// The VIP.
    pub address: IpAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// Ports.
    pub ports: Ports,
    /// Name of the target group.
    pub group: Name,
    /// Who may reach it.
    pub access: Access,
    /// How many flows each source may begin; `None`: any number.
    pub new_flows: Option<NewFlowLimit>,
}

impl Listener {
    /// The name of a listener that is given none: `tcp-192.0.2.1-80`, `udp-2001-db8--1-53`, `tcp-192.0.2.1-all`.
    pub fn default_name(protocol: Protocol, address: IpAddr, ports: Ports) -> Name {
        let address = address.to_string().replace(':', "-");
        format!("{protocol}-{address}-{ports}").parse().expect("letters, digits, `.` and `-`, 58 at most")
    }

    /// VIP and ports, for people.
    pub fn place(&self) -> String {
        at(self.address, self.ports)
    }
}
