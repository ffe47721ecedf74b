//! The runtime between a real owner of the state, whose tables are in memory, and a provider that errs.

mod double;
mod scene;

use std::time::Duration;

use super::super::engine::Command;
use super::super::model::{InstanceState, Process};
use crate::control::event::Health;
use double::Fault;
use scene::{FILE, Scene};

const ONE: &str = "";
const TWO: &str = "[[autoscaling_group]]\nname = 'other'\nmin = 1\nmax = 1\ntarget_groups = ['other']\n\
                   template = { provider = 'exec', port = 80, settings.command = ['/bin/launch'] }\n[[target_group]]\nname = 'other'\nring_size = 256\n";

const AHEAD: &str =
    "[[autoscaling_group.predictive_scaling]]\nname = 'ahead'\nmetric = 'sum(new_flows)'\nper_instance = 9\n";

#[tokio::test]
async fn what_is_wanted_is_launched_becomes_a_target_and_is_ended_once_it_is_drained() {
    let mut scene = Scene::begin(ONE);
    let wanted = |scene: &Scene| scene.targets("web").len() == 2;
    scene.until("both instances are targets", wanted).await;
    assert!(scene.in_state("web", InstanceState::InService).is_empty(), "nobody serves before it is healthy");
    scene.report(Health::Healthy).await;
    scene.until("both serve", |scene| scene.in_state("web", InstanceState::InService).len() == 2).await;

    scene.command("web", Command::SetDesired(1)).await.unwrap();
    scene.until("one drains", |scene| scene.leaving("web") == 1).await;
    assert_eq!(scene.double.running(), 2, "one whose target still drains runs on");
    scene.until("it is gone", |scene| scene.double.running() == 1 && scene.targets("web").len() == 1).await;
    assert!(scene.double.ended().iter().all(|(_, had_target)| !had_target), "{:?}", scene.double.ended());
    scene.until("nobody else is known", |scene| scene.instances("web").len() == 1).await;
}

#[tokio::test]
async fn an_instance_that_is_gone_is_replaced() {
    let mut scene = Scene::begin(ONE);
    scene.until("both instances are targets", |scene| scene.targets("web").len() == 2).await;
    scene.report(Health::Healthy).await;
    scene.until("both serve", |scene| scene.in_state("web", InstanceState::InService).len() == 2).await;
    scene.double.lose("web-1");
    scene.until("a third is launched", |scene| scene.double.made("web-3") == 1).await;
    scene.until("it is a target", |scene| scene.serves("web", "web-3")).await;
}

#[tokio::test]
async fn a_provider_that_fails_is_said_to_and_asked_again() {
    let mut scene = Scene::begin_with(ONE, Fault::Fails);
    scene
        .until("the group is in trouble", |scene| scene.trouble("web").is_some_and(|why| why.contains("out of order")))
        .await;
    assert_eq!(scene.double.running(), 0, "nothing is launched before the first list");
    scene.double.fault(None);
    scene.until("both run", |scene| scene.double.running() == 2).await;
    scene.until("all is well", |scene| scene.trouble("web").is_none()).await;
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_no_other_group() {
    let mut scene = Scene::begin_with(TWO, Fault::HangsFor("web".parse().unwrap()));
    scene.until("the other group's instance is a target", |scene| scene.targets("other").len() == 1).await;
    assert_eq!(scene.targets("web").len(), 0);
    scene.command("web", Command::SetDesired(1)).await.expect("the group answers while its provider does not");
}

#[tokio::test]
async fn a_provider_stays_while_there_are_instances_of_its() {
    let mut scene = Scene::begin(ONE);
    scene.until("both instances are targets", |scene| scene.targets("web").len() == 2).await;
    let template = "provider = 'webhook', port = 80, settings.url = 'http://localhost/'";
    let other = FILE.replace("provider = 'exec', port = 80, settings.command = ['/bin/launch']", template);
    let refused = scene.reload(&other).await.unwrap_err();
    assert!(refused.to_string().contains("has instances of the provider `exec`, and `webhook`"), "{refused}");
    assert_eq!(scene.double.running(), 2);
    scene.reload(&FILE.replace("max = 4\ndesired = 2", "max = 0")).await.unwrap();
    scene.until("all are gone", |scene| scene.double.running() == 0 && scene.instances("web").is_empty()).await;
    // The store follows within the minute, or when something is asked for.
    scene.command("web", Command::Suspend(Process::Launch)).await.unwrap();
    scene.reload(&other).await.unwrap();
}

#[tokio::test]
async fn a_group_that_is_given_back_to_the_file_has_its_instances_and_ends_them() {
    let mut scene = Scene::begin(ONE);
    scene.until("both instances are targets", |scene| scene.targets("web").len() == 2).await;
    let without = &FILE[..FILE.find("[[autoscaling_group]]").unwrap()];
    let report = scene.reload(without).await.unwrap();
    assert_eq!(report.autoscaling_groups.removed, ["web".parse().unwrap()]);
    scene.until("the group is gone", |scene| scene.instances("web").is_empty()).await;
    assert_eq!(scene.double.running(), 2, "its instances are not");
    scene.reload(FILE).await.unwrap();
    scene.until("it has them again", |scene| scene.instances("web").len() == 2).await;
    scene.command("web", Command::SetDesired(0)).await.unwrap();
    scene.until("they are ended", |scene| scene.double.running() == 0 && scene.instances("web").is_empty()).await;
    assert!(scene.double.all_made().values().all(|times| *times == 1), "{:?}", scene.double.all_made());
}

#[tokio::test]
async fn an_agent_that_is_killed_while_it_launches_loses_nothing_and_launches_nothing_twice() {
    // The moments differ: before the first list, while launches are under way, when targets are there.
    for moment in [0, 20, 60, 200, 500] {
        let mut scene = Scene::begin_with(ONE, Fault::SlowBy(Duration::from_millis(50)));
        tokio::time::sleep(Duration::from_millis(moment)).await;
        scene.kill();
        scene.resume();
        scene.until("both instances are targets", |scene| scene.targets("web").len() == 2).await;
        scene.report(Health::Healthy).await;
        scene.until("both serve", |scene| scene.in_state("web", InstanceState::InService).len() == 2).await;
        assert_eq!(scene.double.running(), 2, "after {moment} ms");
        assert!(scene.double.all_made().values().all(|times| *times == 1), "{:?}", scene.double.all_made());
    }
}

#[tokio::test]
async fn a_drain_that_an_agent_before_began_is_waited_for() {
    let mut scene = Scene::begin(ONE);
    scene.until("both instances are targets", |scene| scene.targets("web").len() == 2).await;
    scene.report(Health::Healthy).await;
    scene.until("both serve", |scene| scene.in_state("web", InstanceState::InService).len() == 2).await;
    scene.command("web", Command::SetDesired(1)).await.unwrap();
    scene.until("one drains", |scene| scene.leaving("web") == 1).await;
    scene.kill();
    scene.resume();
    scene.until("it is gone", |scene| scene.double.running() == 1).await;
    assert!(scene.double.ended().iter().all(|(_, had_target)| !had_target), "{:?}", scene.double.ended());
}

#[tokio::test]
async fn an_imported_past_is_there_at_once_and_after_a_crash_and_one_that_is_refused_changes_nothing() {
    let mut scene = Scene::begin(AHEAD);
    scene.until("the group runs", |scene| scene.minutes_missing() == Some(1_440)).await;
    let unknown = scene.import("sum(bytes)", 10, Duration::ZERO).await.unwrap_err().to_string();
    assert!(unknown.contains("goes by `sum(bytes)`; they go by: `sum(new_flows)`"), "{unknown}");
    let ahead = scene.import("sum(new_flows)", 10, Duration::from_secs(3_600)).await.unwrap_err().to_string();
    assert!(ahead.contains("is not over before"), "{ahead}");
    assert_eq!(scene.minutes_missing(), Some(1_440));

    scene.import("sum(new_flows)", 1_400, Duration::ZERO).await.unwrap();
    scene.until("it is taken in", |scene| scene.minutes_missing() == Some(40)).await;
    scene.kill();
    scene.resume();
    scene.until("it is still there", |scene| scene.minutes_missing() == Some(40)).await;
}
