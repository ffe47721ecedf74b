//! The ports of a listener.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Ports;

/// The port of a listener as a number, or its ports as text: `8000-8099`, `all`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ListenerPort {
    /// One port.
    One(u16),
    /// A range, or all.
    Several(String),
}

impl From<Ports> for ListenerPort {
    fn from(ports: Ports) -> Self {
        ports.only().map_or_else(|| Self::Several(ports.to_string()), Self::One)
    }
}

impl fmt::Display for ListenerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(port) => write!(f, "{port}"),
            Self::Several(ports) => f.write_str(ports),
        }
    }
}
