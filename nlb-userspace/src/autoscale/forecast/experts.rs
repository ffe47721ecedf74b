//! The models that an outlook weighs against each other.

use super::features::{Feature, Row, back, weekly};
use super::past::Past;
use super::smoothing::{Rates, Smoothing};
use super::solve::Loss;

/// One way to forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Expert {
    /// The last value goes on: what a reactive policy believes.
    Last,
    /// The same time yesterday.
    Day,
    /// The same time last week.
    Week,
    /// Yesterday, smoothed, and by how much such a day differed from the one before it in the last weeks.
    Transition {
        /// How many weeks.
        weeks: usize,
    },
    /// What is usual at that time of day.
    Usual,
    /// Exponential smoothing.
    Smoothing(Rates),
    /// A regression on features.
    Regression(&'static Regression),
}

/// Which features, and how a regression on them is held down.
#[derive(Debug, PartialEq)]
pub(super) struct Regression {
    pub(super) name: &'static str,
    pub(super) features: &'static [Feature],
    pub(super) penalty: f64,
    pub(super) loss: Loss,
}

use Feature::*;

const SHORT: &[Feature] = &[LastHalf, Last1, Last2, Last3, Mean6, Mean12, Mean24, DayNear, Usual, UsualChange, MeanDay];
const FULL: &[Feature] = &[
    LastQuarter,
    LastHalf,
    Last1,
    Last2,
    Last3,
    Day,
    DayNear,
    DayWide,
    Earlier,
    Usual,
    UsualNear,
    UsualChange,
    Mean6,
    Mean12,
    Mean24,
    Mean72,
    DaySin1,
    DayCos1,
    DaySin2,
    DayCos2,
];
const WEEKLY: &[Feature] = &[
    LastQuarter,
    LastHalf,
    Last1,
    Last2,
    Last3,
    Day,
    DayNear,
    DayWide,
    Earlier,
    Usual,
    UsualNear,
    UsualChange,
    Mean6,
    Mean12,
    Mean24,
    Mean72,
    DaySin1,
    DayCos1,
    DaySin2,
    DayCos2,
    WeekSin1,
    WeekCos1,
    WeekSin2,
    WeekCos2,
    Weekly1,
    Weekly2,
];
const DAILY: &[Feature] =
    &[LastHalf, Last1, Day, DayNear, DayWide, Earlier, Usual, UsualNear, Mean24, Mean72, Weekly1, Weekly2];
const LEVELS: &[Feature] = &[Last1, Last2, Mean3, Mean6, Mean12, Mean72, MeanDay, UsualNear, DayWide];

const fn regression(name: &'static str, features: &'static [Feature], penalty: f64, loss: Loss) -> Regression {
    Regression { name, features, penalty, loss }
}

const REGRESSIONS: [Regression; 8] = [
    regression("short", SHORT, 0.002, Loss::Squares),
    regression("short, held down", SHORT, 0.1, Loss::Squares),
    regression("full", FULL, 0.01, Loss::Squares),
    regression("full, held down", FULL, 0.3, Loss::Squares),
    regression("weekly", WEEKLY, 0.3, Loss::Squares),
    regression("weekly, robust", WEEKLY, 0.1, Loss::Amounts),
    regression("daily, robust", DAILY, 0.1, Loss::Amounts),
    regression("levels", LEVELS, 0.05, Loss::Squares),
];

/// All experts, in the order in which they are shown.
pub(super) const EXPERTS: [Expert; 15] = [
    Expert::Last,
    Expert::Day,
    Expert::Week,
    Expert::Transition { weeks: 1 },
    Expert::Transition { weeks: 2 },
    Expert::Usual,
    Expert::Smoothing(Rates { level: 0.02, day: 0.15, week: 0.1, fading: 0.5 }),
    Expert::Regression(&REGRESSIONS[0]),
    Expert::Regression(&REGRESSIONS[1]),
    Expert::Regression(&REGRESSIONS[2]),
    Expert::Regression(&REGRESSIONS[3]),
    Expert::Regression(&REGRESSIONS[4]),
    Expert::Regression(&REGRESSIONS[5]),
    Expert::Regression(&REGRESSIONS[6]),
    Expert::Regression(&REGRESSIONS[7]),
];

impl Expert {
    /// What it is called where the choice is shown.
    pub(super) fn name(self) -> String {
        match self {
            Self::Last => "last value".to_owned(),
            Self::Day => "seasonal naive, day".to_owned(),
            Self::Week => "seasonal naive, week".to_owned(),
            Self::Transition { weeks: 1 } => "day and weekly change, 1 week".to_owned(),
            Self::Transition { weeks } => format!("day and weekly change, {weeks} weeks"),
            Self::Usual => "usual for the time of day".to_owned(),
            Self::Smoothing(_) => "exponential smoothing, day and week".to_owned(),
            Self::Regression(regression) => format!("regression, {}", regression.name),
        }
    }

    /// Its forecast, where it needs nothing but the past; `None` for a regression.
    pub(super) fn simple(self, past: &Past, smoothing: &Smoothing, row: &Row, ahead: usize) -> Option<f64> {
        let target = past.len() + ahead - 1;
        let feature = |feature: Feature| row[feature as usize];
        Some(match self {
            Self::Last => feature(Last1),
            Self::Day => feature(Day),
            Self::Week => past.before(target, back(ahead, past.week())),
            Self::Transition { weeks } => {
                let change = weekly(past, target, ahead, 3 * past.hour(), weeks);
                0.6 * feature(Day) + 0.4 * feature(DayNear) + 0.8 * change
            }
            Self::Usual => feature(UsualNear),
            Self::Smoothing(_) => smoothing.ahead(ahead),
            Self::Regression(_) => return None,
        })
    }
}
