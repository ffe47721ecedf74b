//! Targets.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Name, QuicServerId};

/// Share of new flows that a target gets, relative to the others of its group: 0 to 999, 100 by default, 0 gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Weight(u16);

impl Weight {
    /// The largest weight.
    pub const MAX: u16 = 999;

    /// The weight `value`, or `None` above [`MAX`](Self::MAX).
    pub const fn new(value: u16) -> Option<Self> {
        if value <= Self::MAX { Some(Self(value)) } else { None }
    }

    /// 0 to 999.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u16> for Weight {
    type Error = String;

    fn try_from(value: u16) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("weight {value} is above {}: use 0 to {0}", Self::MAX))
    }
}

impl From<Weight> for u16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

/// One server of a target group. Its identity within the group is address and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Where encapsulated packets go.
    pub address: IpAddr,
    /// The port that serves; health checks go here unless they name another.
    pub port: u16,
    /// Availability zone. A target without one belongs to every zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Name>,
    /// Share of new flows.
    #[serde(default)]
    pub weight: Weight,
    /// Its id in QUIC's connection ids; `None`: the end of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic_server_id: Option<QuicServerId>,
}

/// What names a target everywhere: its group, address and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetKey {
    /// Name of the target group.
    pub group: Name,
    /// Address of the target.
    pub address: IpAddr,
    /// Port of the target.
    pub port: u16,
}

impl TargetKey {
    /// Address and port.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.socket())
    }
}
