//! Changes that a file has made moot: what they were, and why.

use std::fmt;

use super::{Overridden, ShareKey};
use crate::model::{Change, GroupShare, TargetKey, Weight};

/// A change that was dropped because it is moot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What it was.
    pub was: Was,
    /// Why it is moot.
    pub because: Moot,
}

/// What a change was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Was {
    /// That of a target.
    Target(TargetKey, Overridden),
    /// Another weight of a group that shares a listener.
    Share(ShareKey, Weight),
}

/// Why a change is moot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moot {
    /// The file no longer has the group.
    GroupGone,
    /// The file has the registered target now.
    InFile,
    /// The file no longer has the target that was deregistered or re-weighted.
    NotInFile,
    /// The file has the same weight now.
    SameWeight,
    /// A listener of the file has the registered target's address now.
    IsListener,
    /// The file no longer has the listener.
    ListenerGone,
    /// The group no longer shares the listener.
    NotShared,
    /// With the file's other weights no group of the listener would have one above 0.
    NoneWeighted,
}

impl Settled {
    /// The change that had been made.
    pub fn change(&self) -> Change {
        match &self.was {
            Was::Target(key, Overridden::Registered(target)) => {
                Change::Register { group: key.group.clone(), target: target.clone() }
            }
            Was::Target(target, Overridden::Deregistered) => Change::Deregister { target: target.clone() },
            Was::Target(target, Overridden::Weight(weight)) => {
                Change::SetWeight { target: target.clone(), weight: *weight }
            }
            Was::Share(ShareKey { listener, group }, weight) => Change::SetShares {
                listener: listener.clone(),
                shares: vec![GroupShare { group: group.clone(), weight: *weight }],
            },
        }
    }
}

impl fmt::Display for Moot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GroupGone => "the configuration no longer has the group",
            Self::InFile => "the configuration has the target now",
            Self::NotInFile => "the configuration no longer has the target",
            Self::SameWeight => "the configuration says the same now",
            Self::IsListener => "a listener has that address now",
            Self::ListenerGone => "the configuration no longer has the listener",
            Self::NotShared => "the group no longer shares the listener",
            Self::NoneWeighted => "no group of the listener would have a weight above 0",
        })
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.was {
            Was::Target(target, Overridden::Registered(_)) => write!(f, "the registration of {target} at run time"),
            Was::Target(target, Overridden::Deregistered) => write!(f, "the deregistration of {target} at run time"),
            Was::Target(target, Overridden::Weight(weight)) => {
                write!(f, "the weight {} of {target} set at run time", weight.get())
            }
            Was::Share(ShareKey { listener, group }, weight) => {
                write!(f, "the weight {} of {group} at listener {listener} set at run time", weight.get())
            }
        }?;
        write!(f, " ended: {}", self.because)
    }
}
