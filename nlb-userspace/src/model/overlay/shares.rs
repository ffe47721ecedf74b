//! Weights of groups that share a listener, set at run time.
//!
//! Each group's weight is a change of its own, like a target's. A listener always has a group with a weight above 0: a change
//! that would leave none is refused, and a file whose other weights leave none makes the listener's changes moot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Moot, Overlay};
use crate::model::{ChangeError, Configuration, GroupShare, Listener, Name, ServedBy, Weight};

/// What names a group's weight at a listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShareKey {
    /// Name of the listener.
    pub listener: Name,
    /// Name of the target group.
    pub group: Name,
}

impl fmt::Display for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.listener, self.group)
    }
}

impl Overlay {
    /// The same with these weights of groups that share listeners.
    #[must_use]
    pub fn with_shares(self, shares: impl IntoIterator<Item = (ShareKey, Weight)>) -> Self {
        Self { shares: shares.into_iter().collect(), ..self }
    }

    /// All weights of groups that share listeners.
    pub fn shares(&self) -> impl Iterator<Item = (&ShareKey, Weight)> {
        self.shares.iter().map(|(share, &weight)| (share, weight))
    }

    /// The listeners as they are to be, in the file's order.
    pub fn listeners(&self, file: &Configuration) -> Vec<Listener> {
        let with_weights = |listener: &Listener| match &listener.served_by {
            ServedBy::Shares(shares) if self.is_in_force(listener, shares) => {
                let served_by = ServedBy::Shares(overridden(&self.shares, listener, shares));
                Listener { served_by, ..listener.clone() }
            }
            _ => listener.clone(),
        };
        file.listeners.iter().map(with_weights).collect()
    }

    pub(super) fn set_shares(
        &mut self,
        name: &Name,
        wanted: Vec<GroupShare>,
        file: &Configuration,
    ) -> Result<(), ChangeError> {
        let listener = file.listener(name).ok_or_else(|| {
            let known = file.listeners.iter().map(|listener| listener.name.clone()).collect();
            ChangeError::UnknownListener { listener: name.clone(), known }
        })?;
        let in_file = match &listener.served_by {
            ServedBy::Shares(in_file) => in_file,
            ServedBy::Group(group) => {
                return Err(ChangeError::NotShared { listener: name.clone(), group: group.clone() });
            }
        };
        // What is moot must not come into force again.
        let is_moot = |share: &ShareKey, weight| self.moot_share(share, weight, file).is_some();
        let mut next = self.shares.clone();
        next.retain(|share, &mut weight| share.listener != *name || !is_moot(share, weight));
        let mut named = BTreeSet::new();
        for GroupShare { group, weight } in wanted {
            let Some(share) = in_file.iter().find(|share| share.group == group) else {
                let sharing = in_file.iter().map(|share| share.group.clone()).collect();
                return Err(ChangeError::NoShare { listener: name.clone(), group, sharing });
            };
            if !named.insert(&share.group) {
                return Err(ChangeError::TwoWeights { group });
            }
            let key = ShareKey { listener: name.clone(), group };
            if weight == share.weight {
                next.remove(&key);
            } else {
                next.insert(key, weight);
            }
        }
        if !is_any_weighted(&overridden(&next, listener, in_file)) {
            return Err(ChangeError::NoneWeighted { listener: name.clone() });
        }
        self.shares = next;
        Ok(())
    }

    /// Why the weight has no effect over `file`, if it has none.
    pub(super) fn moot_share(&self, key: &ShareKey, weight: Weight, file: &Configuration) -> Option<Moot> {
        let Some(listener) = file.listener(&key.listener) else { return Some(Moot::ListenerGone) };
        let ServedBy::Shares(shares) = &listener.served_by else { return Some(Moot::NotShared) };
        match shares.iter().find(|share| share.group == key.group) {
            None => Some(Moot::NotShared),
            Some(share) if share.weight == weight => Some(Moot::SameWeight),
            Some(_) => (!self.is_in_force(listener, shares)).then_some(Moot::NoneWeighted),
        }
    }

    /// Whether what is set of `listener`, which the file has with these `shares`, leaves a group with a weight above 0.
    fn is_in_force(&self, listener: &Listener, shares: &[GroupShare]) -> bool {
        is_any_weighted(&overridden(&self.shares, listener, shares))
    }
}

/// The file's `shares` of `listener`, with the weights that are set.
fn overridden(set: &BTreeMap<ShareKey, Weight>, listener: &Listener, shares: &[GroupShare]) -> Vec<GroupShare> {
    let weight = |share: &GroupShare| {
        let key = ShareKey { listener: listener.name.clone(), group: share.group.clone() };
        set.get(&key).copied().unwrap_or(share.weight)
    };
    shares.iter().map(|share| GroupShare { weight: weight(share), ..share.clone() }).collect()
}

fn is_any_weighted(shares: &[GroupShare]) -> bool {
    shares.iter().any(|share| share.weight.get() > 0)
}
