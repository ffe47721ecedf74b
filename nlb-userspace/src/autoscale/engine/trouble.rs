//! Where launches fail, and when they are tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::autoscale::policy::Hold;
use crate::model::{Name, Timestamp};

/// The rest after the first failure.
const FIRST: Duration = Duration::from_secs(2);

/// The longest rest.
const LONGEST: Duration = Duration::from_secs(300);

/// A rest that doubles with each failure, and a quarter of it less or more by `chance`, so that not all ask at once.
pub(super) fn backoff(failures: u32, chance: u64) -> Duration {
    let rest = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let per_mille = u32::try_from(chance % 501).unwrap_or_default() + 750;
    rest * per_mille / 1000
}

/// The zones in which launches fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Troubles(Vec<Trouble>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trouble {
    zone: Option<Name>,
    failures: u32,
    until: Timestamp,
    reason: String,
}

impl Troubles {
    /// A launch in `zone` failed for good.
    pub(super) fn add(&mut self, zone: Option<&Name>, reason: String, chance: u64, now: Timestamp) {
        let failures = self.of(zone).map_or(0, |trouble| trouble.failures).saturating_add(1);
        self.clear(zone);
        self.0.push(Trouble { zone: zone.cloned(), failures, until: now + backoff(failures, chance), reason });
    }

    /// A launch in `zone` came into service.
    pub(super) fn clear(&mut self, zone: Option<&Name>) {
        self.0.retain(|trouble| trouble.zone.as_ref() != zone);
    }

    /// Forgets all: what is launched has changed.
    pub(super) fn reset(&mut self) {
        self.0.clear();
    }

    /// Until when nothing is launched in `zone`.
    pub(super) fn until(&self, zone: Option<&Name>, now: Timestamp) -> Option<Timestamp> {
        self.of(zone).map(|trouble| trouble.until).filter(|until| now < *until)
    }

    /// Whether launches failed in `zone` and none has come into service since.
    pub(super) fn is_in(&self, zone: Option<&Name>) -> bool {
        self.of(zone).is_some()
    }

    /// All of them, for an explanation.
    pub(super) fn holds(&self, now: Timestamp) -> impl Iterator<Item = Hold> {
        self.0.iter().filter(move |trouble| now < trouble.until).map(|trouble| Hold::Provider {
            zone: trouble.zone.clone(),
            failures: trouble.failures,
            until: trouble.until,
            reason: trouble.reason.clone(),
        })
    }

    fn of(&self, zone: Option<&Name>) -> Option<&Trouble> {
        self.0.iter().find(|trouble| trouble.zone.as_ref() == zone)
    }
}
