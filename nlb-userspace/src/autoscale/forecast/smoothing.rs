//! Exponential smoothing of level, time of day and time of week (Holt and Winters' method with two seasons: Taylor,
//! "Short-term electricity demand forecasting using double seasonal exponential smoothing", 2003).
//!
//! Without a trend: over two days it does more harm than good. What the last error says of the next steps fades by
//! `fading` each step, as in Taylor's.

/// How fast a component follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) level: f64,
    pub(super) day: f64,
    pub(super) week: f64,
    pub(super) fading: f64,
}

/// Two seasons on a level.
#[derive(Clone, Debug)]
pub(super) struct Smoothing {
    rates: Rates,
    level: f64,
    day: Vec<f64>,
    week: Vec<f64>,
    count: usize,
    error: f64,
}

impl Smoothing {
    /// Of a series with so many steps a day.
    pub(super) fn new(steps_per_day: usize, rates: Rates) -> Self {
        let (day, week) = (vec![0.0; steps_per_day], vec![0.0; 7 * steps_per_day]);
        Self { rates, level: f64::NAN, day, week, count: 0, error: 0.0 }
    }

    pub(super) fn push(&mut self, value: f64) {
        let (day, week) = (self.count % self.day.len(), self.count % self.week.len());
        if self.level.is_nan() {
            self.level = value;
        }
        let smooth = self.level + self.day[day] + self.week[week];
        let error = value - smooth;
        // In the first day everything is new, in the first week most of it.
        let young = |seen: usize, rate: f64| if self.count < seen { 1.0 - self.rates.level } else { rate };
        self.day[day] += young(self.day.len(), self.rates.day) * error;
        self.week[week] += self.rates.week * error;
        self.level += self.rates.level * error;
        self.error = error;
        self.count += 1;
    }

    /// What is expected `ahead` steps from the last value.
    pub(super) fn ahead(&self, ahead: usize) -> f64 {
        let index = self.count + ahead - 1;
        let fading = self.rates.fading.powi(i32::try_from(ahead).unwrap_or(i32::MAX));
        self.level + self.day[index % self.day.len()] + self.week[index % self.week.len()] + fading * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_that_repeats_is_learnt() {
        let rates = Rates { level: 0.02, day: 0.1, week: 0.3, fading: 0.5 };
        let mut smoothing = Smoothing::new(24, rates);
        let value = |step: u32| f64::from(step % 24) + if step / 24 % 7 > 4 { 0.0 } else { 10.0 };
        for step in 0..24 * 7 * 20 {
            smoothing.push(value(step));
        }
        for ahead in [1_u32, 24, 48] {
            let expected = value(24 * 7 * 20 + ahead - 1);
            let forecast = smoothing.ahead(ahead as usize);
            assert!((forecast - expected).abs() < 0.3, "{ahead}: {forecast}, not {expected}");
        }
    }
}
