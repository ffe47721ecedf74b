//! How answers look: golden texts.

use std::time::Duration;

use nlb_userspace::api::dto::{
    Difference, DroppedChange, GroupSummary, GroupView, ListenerView, Moment, ReloadFailure, ReloadReport, Stats,
    Status, TargetView,
};
use nlb_userspace::commands::render::{Style, age, bar, bits, count, rate};
use nlb_userspace::commands::text;
use nlb_userspace::doctor::{Finding, Severity};
use nlb_userspace::model::Timestamp;

use crate::sample;

const TERMINAL: Style = Style { colours: false, marks: true };

fn now() -> Moment {
    Timestamp::from_epoch(sample::NOW).into()
}

fn after(seconds: u64) -> Moment {
    (Timestamp::from_epoch(sample::NOW) + Duration::from_secs(seconds)).into()
}

/// `text` as a test can hold it: without the line break that begins the literal.
fn golden(actual: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(actual == expected, "expected\n{expected}\ngot\n{actual}");
}
