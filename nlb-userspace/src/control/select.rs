//! Which targets of a group get new flows.

use super::event::Health;
use super::snapshot::Routing;
use crate::model::Name;

/// What the choice looks at in one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    /// Its zone.
    pub(super) zone: Option<&'a Name>,
    /// Its health.
    pub(super) health: Health,
    /// Whether it has a weight above 0 and a next hop: whether packets could be sent there at all.
    pub(super) usable: bool,
    /// Whether the group, which has no ring yet, waits for what its first checks say of it.
    pub(super) awaited: bool,
}

/// Chooses among `candidates` for an edge in `zone` (`None` when zones don't matter: the edge has none, or the group is
/// cross-zone). Gives the places of the chosen, and why those:
///
/// 0. none yet, while one is awaited; of another zone only when the own zone has no healthy one;
/// 1. the healthy ones of the own zone; a target without a zone is in every zone;
/// 2. the own zone has none: the healthy ones of all zones;
/// 3. no target is healthy: all that have failed. Sending to a target that seems dead is better than to none, for it is
///    more likely that the check is wrong than that all targets died at once. One that is still at its first checks is
///    left out: it will be known in a moment;
/// 4. nothing else: none.
pub(super) fn select(candidates: &[Candidate<'_>], zone: Option<&Name>) -> (Routing, Vec<usize>) {
    let places = |wanted: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<usize> {
        candidates.iter().enumerate().filter(|(_, c)| c.usable && wanted(c)).map(|(place, _)| place).collect()
    };
    let own = |c: &Candidate<'_>| zone.is_none() || c.zone.is_none() || c.zone == zone;
    let healthy = |c: &Candidate<'_>| c.health == Health::Healthy;
    if candidates.iter().any(|c| c.awaited && own(c)) {
        return (Routing::Waiting, Vec::new());
    }
    let chosen = places(&|c| healthy(c) && own(c));
    if !chosen.is_empty() {
        return (Routing::Healthy, chosen);
    }
    if candidates.iter().any(|c| c.awaited) {
        return (Routing::Waiting, Vec::new());
    }
    let chosen = places(&healthy);
    if !chosen.is_empty() {
        return (Routing::OtherZones, chosen);
    }
    let chosen = places(&|c| c.health == Health::Unhealthy);
    if !chosen.is_empty() {
        return (Routing::FailOpen, chosen);
    }
    let waiting = candidates.iter().any(|c| c.health == Health::Initial);
    (if waiting { Routing::Waiting } else { Routing::Empty }, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::Health::{Healthy, Initial, Unhealthy};
    use super::*;

    #[test]
    fn the_rules_in_their_order() {
        let (a, b): (Name, Name) = ("a".parse().unwrap(), "b".parse().unwrap());
        let target = |zone, health| Candidate { zone, health, usable: true, awaited: false };
        let out = Candidate { zone: None, health: Healthy, usable: false, awaited: false };
        let awaited = |zone| Candidate { zone, health: Initial, usable: true, awaited: true };
        let (in_a, in_b) = (Some(&a), Some(&b));
        let cases = [
            ("own zone first", vec![target(in_a, Healthy), target(in_b, Healthy)], in_a, Routing::Healthy, vec![0]),
            (
                "no zone is every zone",
                vec![target(None, Healthy), target(in_b, Healthy)],
                in_a,
                Routing::Healthy,
                vec![0],
            ),
            (
                "zones don't matter",
                vec![target(in_a, Healthy), target(in_b, Healthy)],
                None,
                Routing::Healthy,
                vec![0, 1],
            ),
            (
                "own zone failed",
                vec![target(in_a, Unhealthy), target(in_b, Healthy)],
                in_a,
                Routing::OtherZones,
                vec![1],
            ),
            ("all failed", vec![target(in_a, Unhealthy), target(in_b, Unhealthy)], in_a, Routing::FailOpen, vec![0, 1]),
            ("first checks", vec![target(in_a, Initial)], in_a, Routing::Waiting, vec![]),
            (
                "first checks beside failed",
                vec![target(in_a, Initial), target(in_a, Unhealthy)],
                in_a,
                Routing::FailOpen,
                vec![1],
            ),
            (
                "first checks beside healthy",
                vec![target(in_a, Initial), target(in_a, Healthy)],
                in_a,
                Routing::Healthy,
                vec![1],
            ),
            ("a first round", vec![awaited(in_a), target(in_a, Healthy)], in_a, Routing::Waiting, vec![]),
            (
                "a first round of failed ones",
                vec![awaited(in_a), target(in_a, Unhealthy)],
                in_a,
                Routing::Waiting,
                vec![],
            ),
            ("a first round elsewhere", vec![awaited(in_b), target(in_a, Healthy)], in_a, Routing::Healthy, vec![1]),
            (
                "a first round elsewhere, where flows would go",
                vec![awaited(in_b), target(in_b, Healthy)],
                in_a,
                Routing::Waiting,
                vec![],
            ),
            ("not usable", vec![out], None, Routing::Empty, vec![]),
            ("not usable beside failed", vec![out, target(None, Unhealthy)], None, Routing::FailOpen, vec![1]),
            ("nothing", vec![], None, Routing::Empty, vec![]),
        ];
        for (name, candidates, zone, routing, places) in cases {
            assert_eq!(select(&candidates, zone), (routing, places), "{name}");
        }
    }
}
