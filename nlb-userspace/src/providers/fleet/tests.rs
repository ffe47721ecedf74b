//! Claims, over a fleet in memory that takes its time.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Map;

use super::*;
use crate::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};

const LONG: Duration = Duration::from_secs(60);

/// A fleet. Clones are the same: it outlives the agent.
#[derive(Clone, Default)]
struct Double(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    fleet: Members,
    next: u32,
    /// Looks at it until the next member appears.
    slowness: u32,
    looks: u32,
    most_wanted: u32,
    /// Whether claims can be seen.
    shows_claims: bool,
}

impl Double {
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }
}

impl World {
    fn appear(&mut self) {
        let id = InstanceId(format!("i-{}", self.next));
        self.next += 1;
        let (token, zone, address, port, launched) = (None, None, None, None, None);
        self.fleet.members.push(Provided { id, token, zone, address, port, state: ProvidedState::Running, launched });
    }
}

impl Fleet for Double {
    fn members(&self) -> BoxFuture<'_, Result<Members, ProviderError>> {
        let members = self.with(|world| {
            world.looks += 1;
            if world.looks % (world.slowness + 1) == 0 && world.fleet.members.len() < world.fleet.wanted as usize {
                world.appear();
            }
            let mut fleet = world.fleet.clone();
            if !world.shows_claims {
                fleet.members.iter_mut().for_each(|member| member.token = None);
            }
            fleet
        });
        async { Ok(members) }.boxed()
    }

    fn grow(&self, to: u32) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.with(|world| {
            assert!(to > world.fleet.wanted, "{to}, after {}", world.fleet.wanted);
            world.fleet.wanted = to;
            world.most_wanted = world.most_wanted.max(to);
        });
        async { Ok(()) }.boxed()
    }

    fn claim<'a>(&'a self, id: &'a InstanceId, token: &'a Token) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.with(|world| {
            let member = world.fleet.members.iter_mut().find(|member| &member.id == id).unwrap();
            assert_eq!(member.token.replace(token.clone()), None, "{id} is claimed twice");
        });
        async { Ok(()) }.boxed()
    }

    fn end<'a>(&'a self, ids: &'a [InstanceId], left: u32) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.with(|world| {
            world.fleet.wanted = left;
            world.fleet.members.retain(|member| !ids.contains(&member.id));
        });
        async { Ok(()) }.boxed()
    }
}

fn fleet(slowness: u32, shows_claims: bool) -> Double {
    let double = Double::default();
    double.with(|world| (world.slowness, world.shows_claims) = (slowness, shows_claims));
    double
}

fn provider(fleet: &Double, patience: Duration) -> Claimed<Double> {
    Claimed { look: Duration::from_millis(1), patience, ..Claimed::new(fleet.clone()) }
}

fn launch(group: &str, number: u32) -> Launch {
    let version = TemplateVersion { name: "web".parse().unwrap(), version: 1 };
    let template = LaunchTemplate { version, provider: ProviderKind::Ec2, port: 80, settings: Map::new() };
    Launch { group: group.parse().unwrap(), token: Token(format!("{group}-{number}")), template, zone: None }
}

#[tokio::test]
async fn launches_at_once_get_a_member_each_and_ask_for_no_more() {
    for (slowness, shows_claims) in [(0, true), (3, true), (0, false), (3, false)] {
        let double = fleet(slowness, shows_claims);
        let provider = provider(&double, LONG);
        let launches: Vec<_> = (1..=5).chain(1..=5).map(|number| launch("web", number)).collect();
        let got = join_all(launches.iter().map(|launch| provider.launch(launch))).await;
        let got: Vec<_> = got.into_iter().map(Result::unwrap).collect();
        assert_eq!(got[..5], got[5..], "a token is one launch");
        assert_eq!(BTreeSet::from_iter(&got).len(), 5);
        assert_eq!(double.with(|world| (world.most_wanted, world.fleet.members.len())), (5, 5));
    }
}

#[tokio::test]
async fn an_agent_that_was_killed_is_followed_by_one_that_launches_nothing_twice() {
    // So slow that the first agent gives up.
    let double = fleet(60, true);
    let first = provider(&double, Duration::from_millis(10));
    let given_up = first.launch(&launch("web", 1)).await.unwrap_err();
    assert!(matches!(given_up, ProviderError::Unavailable { .. }), "{given_up}");
    let next = provider(&double, LONG);
    let id = next.launch(&launch("web", 1)).await.unwrap();
    assert_eq!(double.with(|world| world.most_wanted), 1);
    let again = provider(&double, LONG);
    assert_eq!(again.launch(&launch("web", 1)).await.unwrap(), id);
    assert_eq!(again.list(&"web".parse().unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_fleet_put_in_place_of_a_lost_member_is_the_next_launch() {
    let double = fleet(0, true);
    let provider = provider(&double, LONG);
    let web = "web".parse().unwrap();
    for number in 1..=2 {
        provider.launch(&launch("web", number)).await.unwrap();
    }
    double.with(|world| {
        world.fleet.members.remove(0);
        world.appear();
    });
    assert_eq!(provider.list(&web).await.unwrap().len(), 1, "nobody has claimed the new one");
    provider.launch(&launch("web", 3)).await.unwrap();
    assert_eq!(provider.list(&web).await.unwrap().len(), 2);
    assert_eq!(double.with(|world| world.fleet.wanted), 2);
}

#[tokio::test]
async fn groups_share_a_fleet_and_see_their_own() {
    let double = fleet(0, true);
    let provider = provider(&double, LONG);
    for group in ["web", "web-2"] {
        provider.launch(&launch(group, 1)).await.unwrap();
    }
    for group in ["web", "web-2"] {
        let name = group.parse().unwrap();
        let listed = provider.list(&name).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.token.clone().unwrap().0).collect::<Vec<_>>(), [format!("{group}-1")]);
    }
    let id = provider.list(&"web".parse().unwrap()).await.unwrap().remove(0).id;
    for _ in 0..2 {
        provider.terminate(&"web".parse().unwrap(), std::slice::from_ref(&id)).await.unwrap();
    }
    assert_eq!(double.with(|world| (world.fleet.wanted, world.fleet.members.len())), (1, 1));
}
