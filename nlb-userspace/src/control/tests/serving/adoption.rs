//! The next agent goes on where the last one was.

use super::*;
use crate::control::snapshot::Routing;

const THREE: &str = r#""10.0.0.1", "10.0.0.2", "10.0.0.3""#;

#[test]
fn the_next_agent_changes_nothing_while_it_has_no_news() {
    let mut first = World::new(&web(THREE, ""));
    first.all_well();
    first.health("web/10.0.0.2:80", Health::Unhealthy);
    let before = first.memory.read().unwrap().rings;

    let mut next = first.next(&web(THREE, ""));
    assert_eq!(next.memory.read().unwrap().rings, before);
    assert_eq!(next.group("web").routing, Routing::Healthy);
    assert_eq!(next.serving("web"), addresses(&["10.0.0.1", "10.0.0.3"]), "what was out of service stays out");
}

#[test]
fn the_next_agent_hears_of_a_target_that_died_meanwhile() {
    let mut first = World::new(&web(THREE, ""));
    first.all_well();
    let mut next = first.next(&web(THREE, ""));
    next.health("web/10.0.0.1:80", Health::Unhealthy);
    assert_eq!(next.serving("web"), addresses(&["10.0.0.2", "10.0.0.3"]));
}

#[test]
fn the_next_agent_takes_the_file_as_it_is_now() {
    let mut first = World::new(&web(THREE, ""));
    first.all_well();
    let index = first.group("web").targets[2].index;
    let mut next = first.next(&web(r#""10.0.0.3", "10.0.0.4""#, ""));
    assert_eq!(next.serving("web"), addresses(&["10.0.0.3"]), "the new one is not checked yet");
    assert_eq!(next.group("web").targets[0].index, index, "a target keeps its entry, and with it its counters");
    next.all_well();
    assert_eq!(next.serving("web"), addresses(&["10.0.0.3", "10.0.0.4"]));
}
