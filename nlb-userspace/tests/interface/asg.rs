//! How autoscaling groups look to people: golden texts.

use std::time::Duration;

use nlb_userspace::api::dto::{ActivityView, AsgSummary, AsgView, ExplanationView, Moment};
use nlb_userspace::autoscale::engine::{Command, Event, Gauge};
use nlb_userspace::autoscale::model::{HookResult, MetricError, Process, Sample, Token};
use nlb_userspace::commands::render::Style;
use nlb_userspace::commands::text::asg as text;
use nlb_userspace::model::Timestamp;

use crate::{sample, scaling};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_epoch(sample::NOW) + Duration::from_secs(seconds)
}

fn token(number: u64) -> Token {
    Token(format!("shop-{number}"))
}

/// A group of which one instance serves and one waits for its hook.
fn view() -> nlb_userspace::autoscale::runtime::View {
    let mut engine = scaling::engine();
    let hook = "ready".parse().unwrap();
    let done = Command::CompleteHook { token: token(1), hook, result: HookResult::Continue };
    engine.command(done, at(10)).unwrap();
    engine.handle(Event::Health { token: token(1), health: Ok(()) }, at(20));
    engine.handle(Event::Flows { token: token(1), flows: 1_234 }, at(30));
    engine.command(Command::Protect { token: token(1), protected: true }, at(40)).unwrap();
    engine.command(Command::Suspend(Process::ZoneRebalance), at(50)).unwrap();
    let value = Err(MetricError::NoData { what: "a whole period".to_owned() });
    let sample = Sample { at: at(60), period: Duration::from_secs(60), value };
    engine.handle(Event::Sampled { gauge: Gauge::Policy("flows".parse().unwrap()), sample }, at(60));
    nlb_userspace::autoscale::runtime::View { at: at(60), ..scaling::view(&engine) }
}

fn golden(actual: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(actual == expected, "expected\n{expected}\ngot\n{actual}");
}

#[test]
fn a_group_shows_its_capacity_and_its_instances() {
    let now = Moment::from(at(80));
    golden(
        &text::detail(&AsgView::of(&view()), now, Style::PLAIN),
        "
GROUP  DESIRED  IN SERVICE  PENDING  LEAVING  WARM  BOUNDS  PROVIDER  NOTE
shop         2           1        1        0     0  1 to 4  exec      suspended: zone_rebalance

target groups  web
template       shop:1

INSTANCE  STATE         SINCE   ADDRESS      ZONE  TEMPLATE  FLOWS  NOTE
shop-1    in_service    1m      10.0.0.7:80  -     shop:1    1,234  protected
shop-2    pending_wait  1m 20s  10.0.0.8:80  -     shop:1        -  waits for hook ready
",
    );
}

#[test]
fn a_provider_in_trouble_shows_at_a_glance() {
    let summary = AsgSummary { trouble: Some("no answer".to_owned()), ..AsgSummary::of(&view()) };
    let shown = text::list(&[summary], Style::PLAIN);
    assert!(shown.lines().last().is_some_and(|line| line.ends_with("no answer")), "{shown}");
    golden(&text::list(&[], Style::PLAIN), "no autoscaling groups: the configuration has no [[autoscaling_group]]\n");
}

#[test]
fn the_capacity_is_explained_by_what_policies_want_and_what_holds_them_back() {
    let explained = ExplanationView::of(&view());
    golden(
        &text::explanation(&explained, Moment::from(at(80)), Style::PLAIN),
        "
shop: capacity 2 (1 to 4); 0 serve, 2 warm up

POLICY  FIGURE  TARGET  WISH
flows        -      50  no change: no data: a whole period
",
    );
}

#[test]
fn activities_say_what_was_done_and_why() {
    let view = view();
    let activities: Vec<_> = view.engine.activities().rev().map(ActivityView::from).collect();
    golden(
        &text::activities(&activities, Moment::from(at(80)), Style::PLAIN),
        "
AGO     STATUS       TOOK  WHAT                                 CAUSE
1m 20s  in_progress   50%  launch shop-2 from shop:1: 2 wanted  the bounds
1m 20s  successful    20s  launch shop-1 from shop:1: 2 wanted  the bounds
",
    );
}
