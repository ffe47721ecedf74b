//! What a forecast is made from: features of the past, seen from the moment of the forecast.
//!
//! All are on the transformed scale of the values. One that reaches further back than there is history is no number, and
//! an observation with such a feature takes no part in a fit.

use std::f64::consts::TAU;

use super::past::Past;

/// Features, by their place in a [`Row`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Feature {
    /// The last quarter of the last step, where what is finer than a step is known; else the last step.
    LastQuarter,
    /// The last half of the last step, likewise.
    LastHalf,
    /// The last steps.
    Last1,
    Last2,
    Last3,
    /// Means of the last steps.
    Mean3,
    Mean6,
    Mean12,
    Mean24,
    Mean72,
    /// The mean of the last day.
    MeanDay,
    /// The same time on the last day that is known then, and what was around it.
    Day,
    DayNear,
    DayWide,
    /// The same a day earlier.
    Earlier,
    /// What is usual at that time of day, exactly and around it.
    Usual,
    UsualNear,
    /// How what is usual changes from the last step to then.
    UsualChange,
    /// By how much the same time of the week usually differs from the day before it: of last week, and of two weeks.
    Weekly1,
    Weekly2,
    /// Time of day.
    DaySin1,
    DayCos1,
    DaySin2,
    DayCos2,
    /// Time of the week.
    WeekSin1,
    WeekCos1,
    WeekSin2,
    WeekCos2,
}

/// Number of features.
pub(super) const COUNT: usize = Feature::WeekCos2 as usize + 1;

/// All features of one forecast.
pub(super) type Row = [f64; COUNT];

/// The last quarter and the last half of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) quarter: f64,
    pub(super) half: f64,
}

/// Steps back to the last occurrence of a time of day (or week) that is known when `ahead` steps are forecast.
pub(super) fn back(ahead: usize, period: usize) -> usize {
    ahead.div_ceil(period) * period
}

/// By how much the time of the week of `target` differed from the day before it, `wide` steps on both sides, in the
/// last `weeks` weeks: the mean of them.
pub(super) fn weekly(past: &Past, target: usize, ahead: usize, wide: usize, weeks: usize) -> f64 {
    let day = back(ahead, past.day());
    let first = back(ahead + wide, past.week());
    let changes = (0..weeks).map(|week| {
        let steps = first + week * past.week();
        past.around(target, steps, wide) - past.around(target, steps + day, wide)
    });
    let (count, sum) = changes.filter(|change| change.is_finite()).fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x));
    sum / count
}

/// The features for the value `ahead` steps from the last one; 1 is the next.
pub(super) fn row(past: &Past, tail: Tail, ahead: usize) -> Row {
    use Feature::*;
    let now = past.len();
    let target = now + ahead - 1;
    let (day, hour) = (back(ahead, past.day()), past.hour());
    let (near, wide) = ((hour / 2).max(1), 8 * hour);
    let mut row = [f64::NAN; COUNT];
    let mut set = |feature: Feature, value: f64| row[feature as usize] = value;
    set(LastQuarter, tail.quarter);
    set(LastHalf, tail.half);
    for (feature, steps) in [(Last1, 1), (Last2, 2), (Last3, 3)] {
        set(feature, past.before(now, steps));
    }
    let means = [(Mean3, 3), (Mean6, 6), (Mean12, 12), (Mean24, 24), (Mean72, 72), (MeanDay, past.day())];
    for (feature, steps) in means {
        set(feature, past.recent(steps));
    }
    set(Day, past.before(target, day));
    set(DayNear, past.around(target, day, near));
    set(DayWide, past.around(target, day, wide));
    set(Earlier, past.before(target, day + past.day()));
    set(Usual, past.usual(target, near / 2));
    set(UsualNear, past.usual(target, near));
    set(UsualChange, past.usual(target, near / 2) - past.usual(now.saturating_sub(1), near / 2));
    // No week yet is no difference: what else is known should not have to wait for it.
    let known = |difference: f64| if difference.is_finite() { difference } else { 0.0 };
    set(Weekly1, known(weekly(past, target, ahead, 3 * hour, 1)));
    set(Weekly2, known(weekly(past, target, ahead, 3 * hour, 2)));
    let waves = [
        (DaySin1, DayCos1, past.day(), 1),
        (DaySin2, DayCos2, past.day(), 2),
        (WeekSin1, WeekCos1, past.week(), 1),
        (WeekSin2, WeekCos2, past.week(), 2),
    ];
    for (sine, cosine, period, times) in waves {
        let (sin, cos) = (TAU * share(times * target % period, period)).sin_cos();
        set(sine, sin);
        set(cosine, cos);
    }
    row
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole)
}
