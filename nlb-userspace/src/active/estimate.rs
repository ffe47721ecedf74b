//! From a sketch to the number of flows.
//!
//! A flow is in the level `l` of its bucket with a probability that halves from level to level. So of `n` flows the number
//! that share one cell of level `l` is as good as Poisson distributed with the mean `λ = n · share / BUCKETS`, and the cell is
//! clear with the probability `exp(-λ)`. The estimate is the `n` that makes the sketch at hand most likely. With `clear` and
//! `set` cells in each level, that is where the derivative of its logarithm,
//!
//! ```text
//! Σ share · (set / (exp(λ) - 1) - clear)
//! ```
//!
//! is zero; it falls with `n`, so there is one such place. All cells are used: the standard error is 0.65 / √`BUCKETS` (the
//! inverse root of the Fisher information), where the original estimator has 0.78 and needs a correction for few flows.

use nlb_common::active::{BUCKETS, LEVELS, Sketch};

/// More flows than a sketch can tell from infinitely many.
const MOST: f64 = 1e9;

/// Halvings of an interval that leave less than a flow in ten thousand.
const STEPS: usize = 40;

/// The number of flows in `sketch`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most MOST, and not negative")]
pub fn estimate(sketch: &Sketch) -> u64 {
    let set = sketch.set_by_level().map(f64::from);
    if set == [0.0; LEVELS as usize] {
        return 0;
    }
    // Whatever it is, it is right to the same number of digits.
    let (mut low, mut high) = (0.5_f64.ln(), MOST.ln());
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if slope(&set, middle.exp()) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high).exp().round() as u64
}

/// The derivative of the likelihood's logarithm at `flows`, but for a positive factor.
fn slope(set: &[f64; LEVELS as usize], flows: f64) -> f64 {
    const CELLS: f64 = BUCKETS as f64;
    // The last two levels have the same share. From there each level has twice the share of the one above, and with it twice
    // the mean: exp(2λ) - 1 = (exp(λ) - 1) (exp(λ) - 1 + 2).
    let mut share = 0.5_f64.powi(LEVELS as i32 - 1);
    let mut grown = (flows * share / CELLS).exp_m1();
    let mut sum = 0.0;
    for (level, &set) in set.iter().enumerate().rev() {
        if level + 2 < LEVELS as usize {
            share *= 2.0;
            grown *= grown + 2.0;
        }
        sum += share * (set / grown - (CELLS - set));
    }
    sum
}
