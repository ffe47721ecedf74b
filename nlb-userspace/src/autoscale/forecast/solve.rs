//! Ridge regression, plain and robust, by a dense Cholesky decomposition.
//!
//! Features are standardised, so that one penalty suits all of them; the intercept is not penalised.

/// One observation of what is to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// Features, finite, as many in each observation.
    pub(super) features: &'a [f64],
    /// What came of them.
    pub(super) outcome: f64,
    /// How much it counts, above 0.
    pub(super) weight: f64,
}

/// What errors count as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Their squares: the mean is found.
    Squares,
    /// Their amounts, by weights that are made anew a few times: the median is found, and an outage does not spoil it.
    Amounts,
}

/// A linear function of features.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    intercept: f64,
    slopes: Vec<f64>,
}

impl Linear {
    /// Its value.
    pub(super) fn at(&self, features: impl IntoIterator<Item = f64>) -> f64 {
        self.intercept + self.slopes.iter().zip(features).map(|(slope, feature)| slope * feature).sum::<f64>()
    }
}

/// Passes that approach the median.
const PASSES: usize = 6;

/// The function that explains the observations best, with slopes held down by `penalty` (relative to the weight of all
/// observations). `None` without observations, or when they determine nothing.
pub(super) fn fit(observations: &[Observation<'_>], penalty: f64, loss: Loss) -> Option<Linear> {
    let count = observations.first()?.features.len();
    let moments = Moments::of(observations, count);
    let mut weights: Vec<f64> = observations.iter().map(|observation| observation.weight).collect();
    let mut line = pass(observations, &weights, &moments, penalty)?;
    if loss == Loss::Squares {
        return Some(line);
    }
    for _ in 1..PASSES {
        let errors: Vec<f64> = observations
            .iter()
            .map(|observation| (observation.outcome - line.at(observation.features.iter().copied())).abs())
            .collect();
        let mut sorted = errors.clone();
        sorted.sort_by(f64::total_cmp);
        let typical = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0) + 1e-9;
        for ((weight, observation), error) in weights.iter_mut().zip(observations).zip(&errors) {
            *weight = observation.weight * typical / error.max(0.02 * typical);
        }
        line = pass(observations, &weights, &moments, penalty)?;
    }
    Some(line)
}

/// Means and spreads of features, which they are standardised by.
struct Moments {
    means: Vec<f64>,
    spreads: Vec<f64>,
}

impl Moments {
    fn of(observations: &[Observation<'_>], count: usize) -> Self {
        let total: f64 = observations.iter().map(|observation| observation.weight).sum();
        let mut means = vec![0.0; count];
        for observation in observations {
            for (mean, feature) in means.iter_mut().zip(observation.features) {
                *mean += observation.weight * feature / total;
            }
        }
        let mut spreads = vec![0.0; count];
        for observation in observations {
            for ((spread, mean), feature) in spreads.iter_mut().zip(&means).zip(observation.features) {
                *spread += observation.weight * (feature - mean).powi(2) / total;
            }
        }
        // What never varies explains nothing: its slope comes out as 0.
        spreads.iter_mut().for_each(|spread| *spread = spread.sqrt().max(1e-9));
        Self { means, spreads }
    }
}

/// Weighted least squares.
fn pass(observations: &[Observation<'_>], weights: &[f64], moments: &Moments, penalty: f64) -> Option<Linear> {
    let count = moments.means.len();
    let side = count + 1;
    // Products of (standardised features, outcome) with each other, and their sums.
    let mut products = vec![0.0; side * side];
    let mut sums = vec![0.0; side];
    let mut total = 0.0;
    let mut row = vec![0.0; side];
    for (observation, weight) in observations.iter().zip(weights) {
        for (index, feature) in observation.features.iter().enumerate() {
            row[index] = (feature - moments.means[index]) / moments.spreads[index];
        }
        row[count] = observation.outcome;
        total += weight;
        for (first, value) in row.iter().enumerate() {
            let weighted = weight * value;
            sums[first] += weighted;
            for (product, other) in products[first * side..=first * side + first].iter_mut().zip(&row) {
                *product += weighted * other;
            }
        }
    }
    let covariance = |first: usize, second: usize| {
        products[first.max(second) * side + first.min(second)] - sums[first] * sums[second] / total
    };
    let mut matrix = vec![0.0; count * count];
    for first in 0..count {
        for second in 0..=first {
            matrix[first * count + second] = covariance(first, second);
        }
        matrix[first * count + first] += penalty * total;
    }
    let right = (0..count).map(|index| covariance(count, index)).collect();
    let standardised = cholesky(matrix, right, count)?;
    let slopes: Vec<f64> = standardised.iter().zip(&moments.spreads).map(|(slope, spread)| slope / spread).collect();
    let centre: f64 = (0..count).map(|index| standardised[index] * sums[index] / total).sum();
    let shift: f64 = slopes.iter().zip(&moments.means).map(|(slope, mean)| slope * mean).sum();
    let intercept = sums[count] / total - centre - shift;
    intercept.is_finite().then_some(Linear { intercept, slopes })
}

/// Solves `matrix · x = right`; of the symmetric, positive `matrix` only the lower triangle is read.
fn cholesky(mut matrix: Vec<f64>, mut right: Vec<f64>, side: usize) -> Option<Vec<f64>> {
    for column in 0..side {
        for row in column..side {
            let known: f64 = (0..column).map(|k| matrix[row * side + k] * matrix[column * side + k]).sum();
            let rest = matrix[row * side + column] - known;
            matrix[row * side + column] =
                if row == column { (rest > 0.0).then(|| rest.sqrt())? } else { rest / matrix[column * side + column] };
        }
    }
    for row in 0..side {
        let known: f64 = (0..row).map(|k| matrix[row * side + k] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row * side + row];
    }
    for row in (0..side).rev() {
        let known: f64 = (row + 1..side).map(|k| matrix[k * side + row] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row * side + row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observations(outliers: bool) -> Vec<([f64; 2], f64)> {
        (0..60)
            .map(|index| {
                let (a, b) = (f64::from(index % 7), f64::from(index % 11));
                let outcome = 3.0 + 2.0 * a - 0.5 * b;
                ([a, b], if outliers && index % 10 == 0 { 0.0 } else { outcome })
            })
            .collect()
    }

    fn fitted(outliers: bool, loss: Loss) -> Linear {
        let rows = observations(outliers);
        let rows: Vec<_> =
            rows.iter().map(|(features, outcome)| Observation { features, outcome: *outcome, weight: 1.0 }).collect();
        fit(&rows, 1e-9, loss).expect("determined")
    }

    #[test]
    fn a_linear_function_is_found_exactly() {
        let line = fitted(false, Loss::Squares);
        assert!((line.at([5.0, 4.0]) - 11.0).abs() < 1e-6, "{line:?}");
    }

    #[test]
    fn outages_spoil_squares_and_not_amounts() {
        let (squares, amounts) = (fitted(true, Loss::Squares), fitted(true, Loss::Amounts));
        assert!((amounts.at([5.0, 4.0]) - 11.0).abs() < 0.05, "{amounts:?}");
        assert!((squares.at([5.0, 4.0]) - 11.0).abs() > 0.5, "{squares:?}");
    }

    #[test]
    fn what_determines_nothing_gives_no_function_or_a_constant() {
        assert!(fit(&[], 0.1, Loss::Squares).is_none());
        let same = [Observation { features: &[1.0], outcome: 4.0, weight: 1.0 }; 3];
        let line = fit(&same, 0.1, Loss::Amounts).expect("a constant");
        assert!((line.at([1.0]) - 4.0).abs() < 1e-9);
    }
}
