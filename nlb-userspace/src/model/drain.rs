//! Targets that are leaving.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Name, Target, TargetGroup, TargetKey, Timestamp};

/// A target that gets no new flows and keeps those that it has for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The target as it was last configured.
    pub target: Target,
    /// Why it is drained.
    pub cause: DrainCause,
    /// Since when.
    pub began: Timestamp,
    /// When the flows that are left have to go.
    pub ends: Timestamp,
}

/// Why a target is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainCause {
    /// Somebody asked for it: it stays registered, without flows in the end, until the drain is undone.
    Command,
    /// It is registered no longer, in the file or at run time: it is gone in the end.
    Deregistered,
}

/// Every drain, by its target.
pub type Drains = BTreeMap<TargetKey, Drain>;

/// The drains there are when the groups become `after`, at `now`: of each target that `before` has and `after` has not;
/// never of one that is registered again, nor of one whose group is gone.
pub fn drains_after(drains: &Drains, before: &[TargetGroup], after: &[TargetGroup], now: Timestamp) -> Drains {
    let mut next = Drains::new();
    let before: HashMap<_, _> = before.iter().map(|group| (&group.name, &group.targets[..])).collect();
    for group in after {
        let was = before.get(&group.name).copied().unwrap_or_default();
        let mut leaving = drains_of(drains, &group.name).peekable();
        if leaving.peek().is_none() && (was.is_empty() || was == group.targets) {
            continue;
        }
        let by_socket: HashMap<_, _> =
            group.targets.iter().map(|target| ((target.address, target.port), target)).collect();
        let registered = |key: &TargetKey| by_socket.get(&(key.address, key.port)).copied();
        for (key, drain) in leaving {
            match (registered(key), drain.cause) {
                (Some(target), DrainCause::Command) => {
                    next.insert(key.clone(), Drain { target: target.clone(), ..drain.clone() });
                }
                (Some(_), DrainCause::Deregistered) => {}
                (None, _) => {
                    next.insert(key.clone(), Drain { cause: DrainCause::Deregistered, ..drain.clone() });
                }
            }
        }
        for target in was {
            let key = group.key(target);
            if registered(&key).is_none() && !next.contains_key(&key) {
                let ends = now + group.flows.deregistration_delay;
                let drain = Drain { target: target.clone(), cause: DrainCause::Deregistered, began: now, ends };
                next.insert(key, drain);
            }
        }
    }
    next
}

/// The drains of a group's targets.
pub fn drains_of<'a>(drains: &'a Drains, group: &'a Name) -> impl Iterator<Item = (&'a TargetKey, &'a Drain)> {
    let first = TargetKey { group: group.clone(), address: Ipv4Addr::UNSPECIFIED.into(), port: 0 };
    drains.range(first..).take_while(move |(key, _)| key.group == *group)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config;

    const DELAY: Duration = Duration::from_secs(300);

    fn groups(targets: &[&str]) -> Vec<TargetGroup> {
        let text = format!("agent.interfaces = ['e']\n[[target_group]]\nname = 'g'\ntargets = {targets:?}");
        config::parse(&text, "f").unwrap().groups
    }

    fn names(drains: &Drains) -> Vec<String> {
        drains.keys().map(|key| key.socket().to_string()).collect()
    }

    #[test]
    fn a_target_that_is_no_longer_registered_drains_until_it_is_again() {
        let (both, one) = (groups(&["10.0.0.1:80", "10.0.0.2:80"]), groups(&["10.0.0.1:80"]));
        let now = Timestamp::from_epoch(Duration::from_secs(1_000));
        assert!(drains_after(&Drains::new(), &[], &both, now).is_empty(), "a first configuration drains nothing");
        let drains = drains_after(&Drains::new(), &both, &one, now);
        assert_eq!(names(&drains), ["10.0.0.2:80"]);
        let drain = drains.values().next().unwrap();
        assert_eq!((drain.cause, drain.began, drain.ends), (DrainCause::Deregistered, now, now + DELAY));

        let later = now + Duration::from_secs(10);
        assert_eq!(drains_after(&drains, &one, &one, later), drains, "its end stays");
        assert!(drains_after(&drains, &one, &both, later).is_empty());
        assert!(drains_after(&drains, &one, &[], later).is_empty(), "without its group it has no listener either");
    }

    #[test]
    fn a_drain_by_command_lasts_and_goes_on_when_the_target_is_deregistered() {
        let (both, one) = (groups(&["10.0.0.1:80", "10.0.0.2:80"]), groups(&["10.0.0.1:80"]));
        let now = Timestamp::from_epoch(Duration::from_secs(1_000));
        let target = both[0].targets[1].clone();
        let drain = Drain { target: target.clone(), cause: DrainCause::Command, began: now, ends: now + DELAY };
        let drains = Drains::from([(both[0].key(&target), drain.clone())]);
        assert_eq!(drains_after(&drains, &both, &both, now + DELAY), drains);
        let leaving = drains_after(&drains, &both, &one, now + DELAY);
        assert_eq!(leaving.values().next(), Some(&Drain { cause: DrainCause::Deregistered, ..drain }));
    }
}
