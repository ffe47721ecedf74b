//! One decision of all wishes: out if any wants out, in only if all that may scale in agree, and the largest capacity wins.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::predictive;
use super::wish::{Situation, Want, Wish};
use crate::autoscale::model::{Policy, PolicyKind, Process};
use crate::model::{Name, Timestamp};

/// What comes of all policies' wishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The capacity from now on.
    pub desired: u32,
    /// The greatest that it could be: above the group's when a forecast may raise it.
    pub max: u32,
    /// Each policy's wish, in the configuration's order.
    pub wishes: Vec<Wish>,
    /// Whose wish it is; `None` when nothing changes.
    pub won: Option<Name>,
    /// What kept the capacity from what was wished.
    pub held: Vec<Hold>,
}

/// What holds a wish back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// The group's least or greatest capacity.
    Bounds {
        /// What was wanted.
        wanted: u32,
        /// What it became.
        limit: u32,
    },
    /// A policy that may scale in does not want to.
    Disagreement {
        /// Which.
        policy: Name,
    },
    /// Instances warm up: how much they help is not known yet.
    Warming {
        /// How many.
        instances: u32,
    },
    /// A policy asked for that many not long ago.
    RecentPeak {
        /// Which.
        policy: Name,
        /// How many.
        capacity: u32,
        /// Until when that counts.
        until: Timestamp,
    },
    /// Somebody suspended what would act.
    Suspended {
        /// What.
        process: Process,
    },
    /// The provider failed; it is asked again later.
    Provider {
        /// The zone, if there are zones.
        zone: Option<Name>,
        /// How often in a row.
        failures: u32,
        /// When it is asked again.
        until: Timestamp,
        /// What it said.
        reason: String,
    },
    /// As many as may be were launched within a minute.
    LaunchLimit,
    /// All that could go are protected from scale-in.
    Protected {
        /// How many more would go.
        instances: u32,
    },
}

/// Decides by the wishes of `policies`, each with what it remembers.
pub fn combine<'a>(
    policies: impl Iterator<Item = (&'a Policy, &'a Memory)> + Clone,
    situation: &Situation,
) -> Decision {
    let wishes: Vec<Wish> = policies.clone().map(|(policy, memory)| memory.wish(policy, situation)).collect();
    let mut decision = Decision {
        desired: situation.desired,
        max: greatest(policies.clone().map(|(policy, _)| policy).zip(&wishes), situation),
        wishes,
        won: None,
        held: Vec::new(),
    };
    if let Some((capacity, policy)) = largest(&decision.wishes, |want| match want {
        Want::Out { capacity } if *capacity > situation.desired => Some(*capacity),
        _ => None,
    }) {
        settle(&mut decision, capacity, policy, situation);
    } else if let Some((capacity, policy)) = agreed(&mut decision, situation) {
        let capacity = above_peaks(&mut decision, capacity, policies, situation);
        settle(&mut decision, capacity.min(situation.desired), policy, situation);
    }
    decision
}

/// The wish with the largest capacity that `pick` finds; the first of several.
fn largest(wishes: &[Wish], pick: impl Fn(&Want) -> Option<u32>) -> Option<(u32, Name)> {
    let picked = wishes.iter().filter_map(|wish| Some((pick(&wish.want)?, wish.policy.clone())));
    picked.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

/// What all that may scale in agree on, if they do and nothing warms.
fn agreed(decision: &mut Decision, situation: &Situation) -> Option<(u32, Name)> {
    let less = |want: &Want| match want {
        Want::In { capacity } => Some(*capacity),
        _ => None,
    };
    let best = largest(&decision.wishes, less)?;
    let held = &mut decision.held;
    let against = decision.wishes.iter().filter(|wish| wish.may_scale_in && less(&wish.want).is_none());
    held.extend(against.map(|wish| Hold::Disagreement { policy: wish.policy.clone() }));
    if situation.warming > 0 {
        held.push(Hold::Warming { instances: situation.warming });
    }
    held.is_empty().then_some(best)
}

/// `capacity`, or more where a policy asked for more not long ago or asks for it now.
fn above_peaks<'a>(
    decision: &mut Decision,
    capacity: u32,
    policies: impl Iterator<Item = (&'a Policy, &'a Memory)>,
    situation: &Situation,
) -> u32 {
    let mut least = capacity;
    for (policy, memory) in policies {
        if let Some((at, capacity)) = memory.peak(situation).filter(|&(_, peak)| peak > least) {
            least = capacity;
            let until = at + situation.stabilization;
            decision.held.push(Hold::RecentPeak { policy: policy.name.clone(), capacity, until });
        }
    }
    for wish in &decision.wishes {
        match wish.want {
            Want::Out { capacity } if capacity > least => {
                least = capacity;
                decision.held.push(Hold::Disagreement { policy: wish.policy.clone() });
            }
            _ => {}
        }
    }
    least
}

/// Makes `wanted` the capacity, within the bounds.
fn settle(decision: &mut Decision, wanted: u32, policy: Name, situation: &Situation) {
    let limit = wanted.min(decision.max).max(situation.bounds.min);
    if limit != wanted {
        decision.held.push(Hold::Bounds { wanted, limit });
    }
    if limit != situation.desired {
        decision.desired = limit;
        decision.won = Some(policy);
    }
}

/// The greatest capacity: the group's, or what a forecast raises it to.
fn greatest<'a>(wishes: impl Iterator<Item = (&'a Policy, &'a Wish)>, situation: &Situation) -> u32 {
    let max = situation.bounds.max;
    let raised = wishes.filter_map(|(policy, wish)| match (&policy.kind, &wish.want) {
        (PolicyKind::Predictive(rule), Want::Out { capacity }) => Some(predictive::raised(rule, *capacity, max)),
        _ => None,
    });
    raised.fold(max, u32::max)
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds { wanted, limit } => write!(f, "{wanted} wanted, the bounds make it {limit}"),
            Self::Disagreement { policy } => write!(f, "policy `{policy}` does not agree to scale in"),
            Self::Warming { instances } => write!(f, "{instances} instances warm up"),
            Self::RecentPeak { policy, capacity, .. } => {
                write!(f, "policy `{policy}` asked for {capacity} not long ago")
            }
            Self::Suspended { process } => write!(f, "{process} is suspended"),
            Self::Provider { zone, failures, reason, .. } => {
                let zone = zone.as_ref().map(|zone| format!(" in zone `{zone}`")).unwrap_or_default();
                write!(f, "the provider failed{zone} {failures} times in a row: {reason}")
            }
            Self::LaunchLimit => f.write_str("no more launches within this minute"),
            Self::Protected { instances } => write!(f, "{instances} more would go, but are protected from scale-in"),
        }
    }
}
