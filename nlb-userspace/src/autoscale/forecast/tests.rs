//! What forecasts promise, on series that are made for it.

use proptest::prelude::*;

use super::{Observed, Outlook};

/// Steps of a day: few, as most of the time goes into fits.
const DAY: usize = 6;

/// An outlook that has seen these values.
fn seen(steps_per_day: usize, ahead: usize, values: impl IntoIterator<Item = Option<f64>>) -> Outlook {
    let mut outlook = Outlook::new(steps_per_day, ahead);
    for value in values {
        outlook.observe(Observed { value, ..Observed::default() });
    }
    outlook
}

fn median(outlook: &Outlook) -> f64 {
    outlook.distribution().expect("a value was seen").median()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_series_that_repeats_by_the_day_is_forecast_exactly(
        day in prop::collection::vec(0.0..1_000.0_f64, DAY),
        ahead in 1..=2 * DAY,
        extra in 0..DAY,
    ) {
        let length = DAY * 16 + extra;
        let outlook = seen(DAY, ahead, (0..length).map(|hour| Some(day[hour % DAY])));
        let expected = day[(length + ahead - 1) % DAY];
        prop_assert!((median(&outlook) - expected).abs() < 1e-3 * (1.0 + expected), "{} for {expected}", median(&outlook));
    }

    #[test]
    fn a_series_that_repeats_by_the_week_is_forecast_exactly_once_two_weeks_are_known(
        week in prop::collection::vec(0.0..1_000.0_f64, DAY * 7),
        ahead in 1..=2 * DAY,
    ) {
        let length = DAY * 7 * 4;
        let outlook = seen(DAY, ahead, (0..length).map(|hour| Some(week[hour % (DAY * 7)])));
        let expected = week[(length + ahead - 1) % (DAY * 7)];
        prop_assert!((median(&outlook) - expected).abs() < 1e-3 * (1.0 + expected), "{} for {expected}", median(&outlook));
    }

    #[test]
    fn whatever_comes_quantiles_are_numbers_at_least_0_and_in_order(
        values in prop::collection::vec(
            prop_oneof![
                3 => (0.0..1e6_f64).prop_map(Some),
                1 => Just(Some(0.0)),
                1 => Just(None),
                1 => Just(Some(f64::NAN)),
                1 => Just(Some(-5.0)),
            ],
            1..200,
        ),
        ahead in 1..=3 * DAY,
    ) {
        let mut outlook = Outlook::new(DAY, ahead);
        for value in values {
            outlook.observe(Observed { value, ..Observed::default() });
            let Some(distribution) = outlook.distribution() else { continue };
            let quantiles = [0.01, 0.05, 0.5, 0.9, 0.99, 0.9999].map(|share| distribution.quantile(share));
            prop_assert!(quantiles.iter().all(|quantile| quantile.is_finite() && *quantile >= 0.0), "{quantiles:?}");
            prop_assert!(quantiles.is_sorted(), "{quantiles:?}");
        }
    }
}

#[test]
fn nothing_is_forecast_from_nothing() {
    assert!(seen(DAY, 1, []).distribution().is_none());
    assert!(seen(DAY, 1, [None, None]).distribution().is_none());
    assert_eq!(seen(DAY, 1, [Some(4.0)]).distribution().map(|it| it.median()), Some(4.0));
}

#[test]
fn a_gap_is_bridged_by_what_was_forecast() {
    let value = |hour: usize| if hour % DAY < DAY / 2 { 100.0 } else { 10.0 };
    let gap = DAY * 20..DAY * 20 + 3;
    let hours = gap.end + 2;
    let outlook = seen(DAY, 1, (0..hours).map(|hour| (!gap.contains(&hour)).then(|| value(hour))));
    assert!((median(&outlook) - value(hours)).abs() < 1.0, "{}", median(&outlook));
}

/// A share of the values that intervals of 90 % held, of noise around a day's curve.
fn coverage(ahead: usize, noise: impl Fn(usize, f64) -> f64) -> f64 {
    // A low-discrepancy sequence (Weyl's): even, and without a pattern that a regression on lags would find.
    let uniform = |hour: usize| (hour as f64 * 0.618_033_988_749_895 * (1.0 + (hour % 97) as f64)).fract();
    let mut outlook = Outlook::new(DAY, ahead);
    let mut intervals = std::collections::VecDeque::new();
    let (mut held, mut all) = (0.0, 0.0);
    for hour in 0..DAY * 75 {
        let mean = 100.0 + 60.0 * (std::f64::consts::TAU * (hour % DAY) as f64 / DAY as f64).sin();
        let value = mean + noise(hour, uniform(hour) - 0.5);
        if intervals.len() >= ahead
            && let Some((low, high)) = intervals.pop_front()
            && hour > DAY * 21
        {
            all += 1.0;
            held += f64::from(u8::from(low <= value && value <= high));
        }
        outlook.observe(value);
        let distribution = outlook.distribution().expect("a value");
        intervals.push_back((distribution.quantile(0.05), distribution.quantile(0.95)));
    }
    held / all
}

#[test]
fn intervals_hold_what_they_say_under_even_noise_wild_hours_and_rare_bursts() {
    for ahead in [1, DAY] {
        let cases = [
            ("even", coverage(ahead, |_, uniform| 40.0 * uniform)),
            (
                "wild days",
                coverage(ahead, |hour, uniform| if (hour / DAY).is_multiple_of(2) { 60.0 } else { 10.0 } * uniform),
            ),
            ("bursts", coverage(ahead, |_, uniform| if uniform > 0.47 { 80.0 } else { 20.0 * uniform })),
        ];
        for (name, share) in cases {
            assert!((0.85..=0.95).contains(&share), "{name}, {ahead} ahead: {share}");
        }
    }
}

#[test]
fn the_weights_of_all_models_make_one_and_the_best_has_the_most() {
    let outlook = seen(DAY, 1, (0..DAY * 20).map(|hour| Some(if hour % DAY < DAY / 2 { 100.0 } else { 10.0 })));
    let scores = outlook.scores();
    assert!((scores.iter().map(|score| score.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    let best = scores.iter().map(|score| score.error).fold(f64::INFINITY, f64::min);
    assert_eq!(scores[0].error, best);
}
