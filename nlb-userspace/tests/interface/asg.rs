//! How autoscaling groups look to people: golden texts.

use std::sync::Arc;
use std::time::Duration;

use nlb_userspace::api::dto::{ActivityView, AsgSummary, AsgView, ExplanationView, ForecastView, Moment};
use nlb_userspace::autoscale::engine::{Command, Event, Gauge};
use nlb_userspace::autoscale::forecast::{Choice, Expected, Score};
use nlb_userspace::autoscale::model::{
    HookResult, MaxCapacityBehavior, MetricError, Predictive, PredictiveMode, Process, Sample, Token,
};
use nlb_userspace::autoscale::runtime::{Foreseen, Measured, Outlook, View};
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
fn view() -> View {
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
    let missing = || MetricError::NoData { what: "a whole period".to_owned() };
    let source = |metric: &str, from: &str, value| Measured { metric: metric.to_owned(), from: from.to_owned(), value };
    let measured = vec![
        source("new_flows", "this edge's counters of 0 instances", Err(missing())),
        source("sum(prometheus(\"up\"))", "http://127.0.0.1:9090", Ok(2.5)),
    ];
    View { at: at(60), measured: Some((at(70), Arc::new(measured))), ..scaling::view(&engine) }
}

fn golden(actual: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(actual == expected, "expected\n{expected}\ngot\n{actual}");
}

#[test]
fn a_group_shows_its_capacity_its_instances_and_what_is_measured_for_it() {
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

measured 10s ago
SOURCE                 FIGURE  FROM                                 MISSING
new_flows                   -  this edge's counters of 0 instances  no data: a whole period
sum(prometheus(\"up\"))     2.5  http://127.0.0.1:9090                -
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
fn the_capacity_is_explained_by_what_policies_want_what_was_measured_and_what_holds_them_back() {
    let explained = ExplanationView::of(&view());
    golden(
        &text::explanation(&explained, Moment::from(at(80)), Style::PLAIN),
        "
shop: capacity 2 (1 to 4); 0 serve, 2 warm up

POLICY  FIGURE  TARGET  WISH
flows        -      50  no change: no data: a whole period
ahead        -      50  no change: no forecast for this time

measured 10s ago
SOURCE                 FIGURE  FROM                                 MISSING
new_flows                   -  this edge's counters of 0 instances  no data: a whole period
sum(prometheus(\"up\"))     2.5  http://127.0.0.1:9090                -
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

/// What is known of a policy's load; `foreseen` an hour before it is shown, a rise of six hours by the half hour.
fn outlook(foreseen: bool) -> Outlook {
    const STEP: Duration = Duration::from_secs(1_800);
    let rule = Predictive {
        load: "sum(new_flows)".parse().unwrap(),
        per_instance: 50.0,
        mode: if foreseen { PredictiveMode::ForecastAndScale } else { PredictiveMode::ForecastOnly },
        buffer: Duration::from_secs(300),
        quantile: 0.9,
        resolution: STEP,
        max_capacity: MaxCapacityBehavior::Honor,
    };
    let point = |number: u32| {
        let median = 60.0 + 40.0 * f64::from(number);
        Expected { at: at(0) + STEP * number, median, low: median - 50.0, high: median + 99.5, quantile: median + 60.0 }
    };
    let score = |name: &str, weight, error| Score { name: name.to_owned(), weight, error };
    let choices = vec![
        Choice { ahead: 1, models: vec![score("last value", 0.75, 12.34), score("a day before", 0.25, 40.0)] },
        Choice { ahead: 24, models: vec![score("a day before", 1.0, 41.06)] },
    ];
    let foreseen = foreseen.then(|| Arc::new(Foreseen { at: at(0), points: (0..12).map(point).collect(), choices }));
    Outlook { rule, minutes_missing: if foreseen.is_some() { 0 } else { 1_234 }, foreseen }
}

#[test]
fn forecasts_are_drawn_with_what_they_take_and_the_models_that_made_them() {
    let forecasts = [("morning", outlook(true)), ("new", outlook(false))];
    let forecasts = forecasts.map(|(policy, outlook)| (policy.parse().unwrap(), outlook)).into();
    let view = nlb_userspace::autoscale::runtime::View { forecasts, ..view() };
    golden(
        &text::forecast(&ForecastView::all(&view), Moment::from(at(3_600)), Style::PLAIN),
        "
morning: sum(new_flows), 50 an instance, quantile 0.9; capacity follows it
made 1h ago; instances for what is expected (blocks) and for the quantile (line), 48 hours:
  12           ──
              ─▆▆
           ──▃███
          ─ ▆████
        ─▃███████
      ──▆████████
     ▃▃██████████
     ████████████
AT                EXPECTED    LOW   HIGH  QUANTILE  INSTANCES
2027-01-15T08:00      60.0   10.0  159.5     120.0          3
2027-01-15T09:00     140.0   90.0  239.5     200.0          4
2027-01-15T10:00     220.0  170.0  319.5     280.0          6
2027-01-15T11:00     300.0  250.0  399.5     360.0          8
2027-01-15T12:00     380.0  330.0  479.5     440.0          9
2027-01-15T13:00     460.0  410.0  559.5     520.0         11

HOURS AHEAD  MODEL         SHARE  ERROR
          1  last value      75%   12.3
         24  a day before   100%   41.1

new: sum(new_flows), 50 an instance, quantile 0.9; only to be looked at
nothing is forecast before 1234 more minutes are recorded
",
    );
    golden(
        &text::forecast(&[], Moment::from(at(0)), Style::PLAIN),
        "no forecast: the group has no predictive policy\n",
    );
}
