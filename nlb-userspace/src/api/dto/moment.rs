//! Moments as text (RFC 3339), to the millisecond.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Timestamp;

/// A moment: `2026-11-25T07:31:07.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = DateTime)]
pub struct Moment(SystemTime);

impl Moment {
    /// The present, by the system's clock.
    pub fn now() -> Self {
        Self(SystemTime::now())
    }

    /// Time from `earlier` to this moment, zero when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or_default()
    }
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Self {
        Self(SystemTime::UNIX_EPOCH + timestamp.since_epoch())
    }
}

impl From<Moment> for Timestamp {
    /// What is before 1970 counts as 1970.
    fn from(moment: Moment) -> Self {
        Self::from_epoch(moment.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = humantime::TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_rfc3339(&text).map(Self)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_rfc3339_millis(self.0))
    }
}
