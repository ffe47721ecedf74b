//! Where the edge accepts traffic.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use nlb_common::tables::ListenerKey;
use serde::{Deserialize, Serialize};

use super::{Access, Name, NewFlowLimit, Ports, Quic, Traffic, Weight, place};

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
    /// Every protocol, to or from a network: what is routed through the edge, which is then a gateway.
    All,
}

impl Protocol {
    /// The protocol of that IANA number, if a listener may have it.
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Every one, by its name in the configuration.
    pub const NAMES: [(&str, Self); 4] =
        [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp), ("all", Self::All)];

    /// The IANA protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::All => ListenerKey::ANY_PROTOCOL,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::All => "all",
        })
    }
}

/// Address, protocol and ports that traffic is accepted for, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique among listeners.
    pub name: Name,
    /// The VIP, or the address of the network of a gateway.
    pub address: IpAddr,
    /// Length of that network's prefix; `None` for a VIP.
    pub prefix_length: Option<u8>,
    /// Protocol.
    pub protocol: Protocol,
    /// Ports.
    pub ports: Ports,
    /// Who serves it.
    pub served_by: ServedBy,
    /// Who may reach it.
    pub access: Access,
    /// How many flows each source may begin; `None`: any number.
    pub new_flows: Option<NewFlowLimit>,
    /// How its servers make the connection ids of QUIC; `None`: its packets are looked at as UDP. UDP alone.
    pub quic: Option<Quic>,
}

/// Who serves a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedBy {
    /// A target group, whose ring it uses.
    Group(Name),
    /// Target groups by weight; it has a ring of its own.
    Shares(Vec<GroupShare>),
}

/// A target group's share of a listener's new flows. Written `blue=90`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupShare {
    /// Name of the group.
    pub group: Name,
    /// Its share, relative to those of the others: 0 gets none.
    pub weight: Weight,
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write GROUP=WEIGHT, as blue=90, with a weight from 0 to {}", Weight::MAX)]
pub struct InvalidShare;

impl FromStr for GroupShare {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        let (group, weight) = text.split_once('=').ok_or(InvalidShare)?;
        let weight = weight.trim().parse().ok().and_then(Weight::new).ok_or(InvalidShare)?;
        Ok(Self { group: group.trim().parse().map_err(|_| InvalidShare)?, weight })
    }
}

impl fmt::Display for GroupShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.group, self.weight.get())
    }
}

impl ServedBy {
    /// Names of the groups, those without a share included.
    pub fn groups(&self) -> impl Iterator<Item = &Name> {
        let (one, shares) = match self {
            Self::Group(name) => (Some(name), &[][..]),
            Self::Shares(shares) => (None, shares.as_slice()),
        };
        one.into_iter().chain(shares.iter().map(|share| &share.group))
    }

    /// Whether that group is one of them.
    pub fn is_by(&self, group: &Name) -> bool {
        self.groups().any(|name| name == group)
    }
}

impl fmt::Display for ServedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "{name}"),
            Self::Shares(shares) => {
                for (number, share) in shares.iter().enumerate() {
                    write!(f, "{}{share}", if number > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl Listener {
    /// The name of a listener that is given none: `tcp-192.0.2.1-80`, `udp-2001-db8--1-53`, `tcp-192.0.2.1-all`; of a gateway
    /// `all-192.0.2.0-24`.
    pub fn default_name(protocol: Protocol, address: IpAddr, prefix_length: Option<u8>, ports: Ports) -> Name {
        let address = address.to_string().replace(':', "-");
        let ports = prefix_length.map_or_else(|| ports.to_string(), |length| length.to_string());
        format!("{protocol}-{address}-{ports}").parse().expect("letters, digits, `.` and `-`, 58 at most")
    }

    /// What it carries.
    pub fn traffic(&self) -> Traffic {
        match (self.protocol, self.quic) {
            (Protocol::Tcp, _) => Traffic::Tcp,
            (Protocol::All, _) => Traffic::All,
            (_, Some(_)) => Traffic::Quic,
            (Protocol::Udp | Protocol::Sctp, None) => Traffic::Datagrams,
        }
    }

    /// VIP and ports, or a gateway's network, for people.
    pub fn place(&self) -> String {
        place(self.address, self.prefix_length, self.ports)
    }

    /// The VIP; `None` for a gateway.
    pub const fn vip(&self) -> Option<IpAddr> {
        if self.prefix_length.is_none() { Some(self.address) } else { None }
    }

    /// The network of a gateway; `None` for a VIP.
    pub fn network(&self) -> Option<IpNet> {
        IpNet::new(self.address, self.prefix_length?).ok()
    }
}
