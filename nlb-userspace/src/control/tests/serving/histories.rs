//! Random histories of events: after each, who serves is what a few lines of naive code say.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Health(u8, Health),
    Way(u8, bool),
    /// Which targets the file has, as a bit each.
    File(u8),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let health = prop_oneof![Just(Health::Healthy), Just(Health::Unhealthy)];
    let step = prop_oneof![
        4 => (1_u8..6, health).prop_map(|(target, health)| Step::Health(target, health)),
        3 => (1_u8..6, any::<bool>()).prop_map(|(target, up)| Step::Way(target, up)),
        1 => (1_u8..32).prop_map(Step::File),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

fn file(bits: u8) -> String {
    let targets: Vec<_> = (1_u8..6).filter(|n| bits & 1 << (n - 1) != 0).map(|n| format!("\"10.0.0.{n}\"")).collect();
    web(&targets.join(", "), "")
}

/// Health and way of each target in the file, as the test itself knows them.
#[derive(Clone, Default)]
struct Known {
    targets: BTreeMap<u8, (Option<Health>, Option<bool>)>,
}

impl Known {
    fn serving(&self) -> BTreeSet<u8> {
        let of = |wanted| {
            let chosen = self.targets.iter().filter(move |(_, known)| **known == (Some(wanted), Some(true)));
            chosen.map(|(number, _)| *number).collect::<BTreeSet<_>>()
        };
        let healthy = of(Health::Healthy);
        if healthy.is_empty() { of(Health::Unhealthy) } else { healthy }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_serves_follows_from_health_ways_and_file(steps in steps()) {
        let mut bits = 0b11111;
        let mut world = World::new(&file(bits));
        let mut known = Known { targets: (1..6).map(|n| (n, (None, None))).collect() };
        for step in steps {
            match step {
                Step::Health(n, health) => {
                    world.health(&format!("web/10.0.0.{n}:80"), health);
                    known.targets.entry(n).and_modify(|known| known.0 = Some(health));
                }
                Step::Way(n, up) => {
                    world.way(&format!("10.0.0.{n}"), if up { Ok(hop(n)) } else { Err(NoNextHop::NoRoute) });
                    known.targets.entry(n).and_modify(|known| known.1 = Some(up));
                }
                Step::File(next) => {
                    bits = next;
                    world.configure(&file(bits));
                    known.targets.retain(|n, _| bits & 1 << (n - 1) != 0);
                    for n in (1..6).filter(|n| bits & 1 << (n - 1) != 0) {
                        // One that was taken out a moment ago is still checked while it drains: it may go on as it was.
                        let targets = world.group("web").targets;
                        let found = targets.iter().find(|target| target.key.address == IpAddr::from([10, 0, 0, n])).unwrap();
                        let health = Some(found.health).filter(|health| *health != Health::Initial);
                        let way = Some(world.current.targets[&found.index].is_ready()).filter(|ready| *ready);
                        known.targets.entry(n).or_insert((health, way));
                    }
                }
                Step::Restart => {
                    let serving = known.serving();
                    world = world.next(&file(bits));
                    // What served is taken for healthy; ways that were known stand until there is news; the rest begins anew.
                    for (n, known) in &mut known.targets {
                        known.0 = serving.contains(n).then_some(Health::Healthy);
                        known.1 = (known.1 == Some(true)).then_some(true);
                    }
                }
            }
            // Whether the ring's first round is under way is no matter here.
            world.now = world.now + Duration::from_secs(30);
            world.write();
            let expected: Vec<IpAddr> =
                known.serving().into_iter().map(|n| IpAddr::from([10, 0, 0, n])).collect();
            prop_assert_eq!(world.serving("web"), expected);
        }
    }
}
