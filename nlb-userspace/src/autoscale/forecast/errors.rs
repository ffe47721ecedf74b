//! How far forecasts were off, and what that says of the next: prediction intervals by split conformal prediction
//! (Vovk et al., 2005) over the errors of the last days.
//!
//! Errors come in calm and in wild hours. So each is taken relative to a scale, of which there are several: none at all, and
//! how large errors were lately. Which scale gives the sharper quantiles is measured as they come.

use std::collections::VecDeque;

/// Half-lives, in steps, of how large errors were lately.
const HALF_LIVES: [f64; 3] = [6.0, 24.0, 144.0];

/// Kinds of scales.
const SCALES: usize = 4;

/// Quantiles by which scales are judged: those that capacity is provided for.
const JUDGED: [f64; 3] = [0.8, 0.95, 0.99];

/// The tail is one in so many of the errors, and at least so many.
const TAIL: usize = 50;
const LEAST_TAIL: usize = 4;

/// What is rarer than this, relative to one in all errors, is taken for as rare: certainty has no quantile.
const LEAST_RARITY: f64 = 1e-6;

/// The scales of one forecast.
pub(super) type Scales = [f64; SCALES];

/// The errors of the last days, of one kind of forecast.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    keep: usize,
    lately: [f64; HALF_LIVES.len()],
    overall: f64,
    count: f64,
    scaled: [Sorted; SCALES],
    losses: Scales,
    fading: f64,
}

impl Errors {
    /// Keeps `keep` errors, and judges scales by about half as many.
    pub(super) fn new(keep: usize) -> Self {
        let half = f64::from(u32::try_from(keep).unwrap_or(u32::MAX)) / 2.0;
        Self {
            keep,
            lately: [0.0; HALF_LIVES.len()],
            overall: 0.0,
            count: 0.0,
            scaled: Default::default(),
            losses: [0.0; SCALES],
            fading: 0.5_f64.powf(1.0 / half),
        }
    }

    /// How large the next error may be expected to be.
    pub(super) fn scales(&self, centre: f64) -> Scales {
        if self.count == 0.0 {
            return [1.0; SCALES];
        }
        let floor = 0.3 * self.overall + 1e-9;
        let [quick, middle, slow] = self.lately;
        [1.0, middle + floor, 0.5 * middle + 0.3 * quick + 0.2 * slow + floor, centre.max(0.0) + 1e-3]
    }

    /// Takes note of an error of a forecast that was made with `scales`.
    pub(super) fn push(&mut self, error: f64, scales: Scales) {
        for ((loss, scale), sorted) in self.losses.iter_mut().zip(scales).zip(&mut self.scaled) {
            let pinballs = JUDGED.iter().filter_map(|&share| {
                let excess = error - sorted.quantile(share)? * scale;
                Some(excess.max(0.0) * share + (-excess).max(0.0) * (1.0 - share))
            });
            *loss = *loss * self.fading + pinballs.sum::<f64>();
            sorted.push(error / scale, self.keep);
        }
        self.count += 1.0;
        self.overall += (error.abs() - self.overall) / self.count.min(4032.0);
        for (lately, half_life) in self.lately.iter_mut().zip(HALF_LIVES) {
            let stays = if self.count == 1.0 { 0.0 } else { 0.5_f64.powf(1.0 / half_life) };
            *lately = stays * *lately + (1.0 - stays) * error.abs();
        }
    }

    /// The error that so large a share of errors stays below, when forecasts have `scales`; `None` without errors.
    pub(super) fn quantile(&self, share: f64, scales: &Scales) -> Option<f64> {
        let best = (0..SCALES).min_by(|&a, &b| self.losses[a].total_cmp(&self.losses[b]))?;
        Some(self.scaled[best].quantile(share)? * scales[best])
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.scaled[0].sorted.len()
    }
}

/// Numbers in the order of their coming, and sorted.
#[derive(Clone, Debug, Default)]
struct Sorted {
    order: VecDeque<f64>,
    sorted: Vec<f64>,
}

impl Sorted {
    fn push(&mut self, number: f64, keep: usize) {
        if self.order.len() >= keep
            && let Some(oldest) = self.order.pop_front()
        {
            let place = self.sorted.partition_point(|other| *other < oldest);
            self.sorted.remove(place);
        }
        let place = self.sorted.partition_point(|other| *other < number);
        self.sorted.insert(place, number);
        self.order.push_back(number);
    }

    /// By linear interpolation between the ranks, of which conformal prediction has one more than there are numbers. Beyond
    /// the greatest number the tail goes on as an exponential one does: what is rarer than anything seen is greater, too.
    fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        let most = f64::from(u32::try_from(last).unwrap_or(u32::MAX));
        let rarity = (1.0 - share) * (most + 2.0);
        if rarity < 1.0 {
            return Some(self.sorted[last] - self.excess() * rarity.max(LEAST_RARITY).ln());
        }
        let rank = (share * (most + 2.0) - 1.0).clamp(0.0, most);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank from 0 to the last")]
        let lower = rank.floor() as usize;
        let upper = self.sorted[(lower + 1).min(last)];
        Some(self.sorted[lower] + (upper - self.sorted[lower]) * rank.fract())
    }

    /// By how much the greatest numbers exceed the next smaller one, on average: the scale of an exponential tail. 0 while
    /// there is none that is smaller.
    fn excess(&self) -> f64 {
        let top = self.sorted.len().div_ceil(TAIL).max(LEAST_TAIL);
        let Some((rest, top)) = self.sorted.len().checked_sub(top).map(|place| self.sorted.split_at(place)) else {
            return 0.0;
        };
        let count = f64::from(u32::try_from(top.len()).unwrap_or(u32::MAX));
        rest.last().map_or(0.0, |next| top.iter().map(|number| number - next).sum::<f64>() / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_errors_that_are_kept() {
        let mut errors = Errors::new(99);
        for error in 0..198_u32 {
            errors.push(f64::from(error), [1.0; SCALES]);
        }
        assert_eq!(errors.len(), 99);
        for (share, expected) in [(0.5, 148.0), (0.9, 188.0), (0.0, 99.0), (0.99, 197.0)] {
            let quantile = errors.quantile(share, &[1.0; SCALES]).expect("errors");
            assert!((quantile - expected).abs() < 1e-9, "{share}: {quantile}");
        }
    }

    #[test]
    fn quantiles_go_on_beyond_the_greatest_error_as_the_tail_does() {
        // A thousand errors as evenly as an exponential distribution has them: quantiles are known.
        let mut errors = Errors::new(1_000);
        for index in 0..1_000_u32 {
            errors.push(-(1.0 - (f64::from(index) + 0.5) / 1_000.0).ln(), [1.0; SCALES]);
        }
        let quantile = |share| errors.quantile(share, &[1.0; SCALES]).expect("errors");
        let shares = [0.998, 0.999, 0.999_1, 0.999_9, 0.999_99, 1.0];
        assert!(shares.windows(2).all(|pair| quantile(pair[0]) < quantile(pair[1])), "{:?}", shares.map(quantile));
        for share in [0.999_9, 0.999_99] {
            let right = -(1.0_f64 - share).ln();
            assert!((quantile(share) / right - 1.0).abs() < 0.1, "{share}: {}, not {right}", quantile(share));
        }
        assert!(quantile(1.0).is_finite());
    }

    #[test]
    fn wild_hours_widen_quantiles_only_where_errors_come_in_such() {
        // Calm and wild by turns of 200 steps; the sign alternates.
        let error = |step: u32| f64::from(1 + 9 * (step / 200 % 2)) * if step.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut errors = Errors::new(2_000);
        let width = |errors: &Errors| errors.quantile(0.95, &errors.scales(1.0)).expect("errors");
        let mut widths = Vec::new();
        for step in 0..2_400 {
            if step % 200 == 199 {
                widths.push(width(&errors));
            }
            errors.push(error(step), errors.scales(1.0));
        }
        let (calm, wild) = (widths[10], widths[11]);
        assert!(wild > 3.0 * calm, "calm {calm}, wild {wild}");
    }
}
