//! What has been observed, as sums that make a mean over any stretch of it cheap.

/// Values at regular steps, the newest days of them. An index counts steps since the first observation ever.
#[derive(Clone, Debug)]
pub(super) struct Past {
    steps_per_day: usize,
    first: usize,
    values: Vec<f64>,
    /// The sum of all values before each index; one more than values.
    sums: Vec<f64>,
    usual: Vec<f64>,
}

/// Days that are kept: what the longest look back needs (two weeks before the same time last week), and a day to spare.
const DAYS: usize = 25;

/// How much of the usual value for a time of day stays when that time comes again.
const STAYS: f64 = 0.85;

impl Past {
    pub(super) fn new(steps_per_day: usize) -> Self {
        let usual = vec![f64::NAN; steps_per_day];
        Self { steps_per_day, first: 0, values: Vec::new(), sums: vec![0.0], usual }
    }

    /// The number of observations: the index of the next one.
    pub(super) fn len(&self) -> usize {
        self.first + self.values.len()
    }

    pub(super) const fn day(&self) -> usize {
        self.steps_per_day
    }

    pub(super) const fn week(&self) -> usize {
        7 * self.steps_per_day
    }

    /// Steps of an hour, at least one.
    pub(super) fn hour(&self) -> usize {
        (self.steps_per_day / 24).max(1)
    }

    pub(super) fn push(&mut self, value: f64) {
        let time = self.len() % self.steps_per_day;
        let usual = &mut self.usual[time];
        *usual = if usual.is_nan() { value } else { STAYS * *usual + (1.0 - STAYS) * value };
        self.sums.push(self.sums[self.values.len()] + value);
        self.values.push(value);
        let most = DAYS * self.steps_per_day;
        if self.values.len() > 2 * most {
            self.values.drain(..most);
            self.first += most;
            let gone = self.sums[most];
            self.sums.drain(..most);
            self.sums.iter_mut().for_each(|sum| *sum -= gone);
        }
    }

    /// The value `steps` before `index`; NaN when there is none.
    pub(super) fn before(&self, index: usize, steps: usize) -> f64 {
        let position = index.checked_sub(steps).and_then(|index| index.checked_sub(self.first));
        position.and_then(|position| self.values.get(position)).copied().unwrap_or(f64::NAN)
    }

    /// The mean of `wide` steps on both sides of what is `steps` before `index`, as far as observed; NaN when too far back.
    pub(super) fn around(&self, index: usize, steps: usize, wide: usize) -> f64 {
        let Some(from) = index.checked_sub(steps + wide) else { return f64::NAN };
        self.mean(from, (index - steps + wide + 1).min(self.len()))
    }

    /// The mean of the last `count` values.
    pub(super) fn recent(&self, count: usize) -> f64 {
        self.len().checked_sub(count).map_or(f64::NAN, |from| self.mean(from, self.len()))
    }

    fn mean(&self, from: usize, to: usize) -> f64 {
        if from < self.first || to <= from || to > self.len() {
            return f64::NAN;
        }
        let count = u32::try_from(to - from).unwrap_or(u32::MAX);
        (self.sums[to - self.first] - self.sums[from - self.first]) / f64::from(count)
    }

    /// What is usual at the time of day of `index` and `wide` steps on both sides.
    pub(super) fn usual(&self, index: usize, wide: usize) -> f64 {
        let from = index + self.steps_per_day - wide % self.steps_per_day;
        let count = 2 * wide + 1;
        let sum: f64 = (0..count).map(|step| self.usual[(from + step) % self.steps_per_day]).sum();
        sum / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_values_and_what_is_not_there_is_no_number() {
        let mut past = Past::new(4);
        for value in 0..10_u32 {
            past.push(f64::from(value));
        }
        assert_eq!(past.before(10, 1), 9.0);
        assert_eq!(past.recent(4), 7.5);
        assert_eq!(past.around(10, 4, 1), 6.0);
        assert_eq!(past.around(10, 1, 2), 8.0, "as far as observed");
        for none in [past.before(10, 11), past.before(10, 0), past.recent(11), past.around(3, 3, 1)] {
            assert!(none.is_nan());
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_kept_stays_right() {
        let mut past = Past::new(4);
        for value in 0..10_000_u32 {
            past.push(f64::from(value));
        }
        assert!(past.values.len() <= 2 * DAYS * 4);
        assert_eq!(past.len(), 10_000);
        assert_eq!(past.recent(3), 9_998.0);
        assert_eq!(past.before(10_000, 7 * 4), 9_972.0);
    }
}
