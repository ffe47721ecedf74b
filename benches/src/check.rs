//! Compares with the figures on file.
//!
//! Machines differ, so only ratios are compared: those that are figures themselves, and figures with a unit as multiples of
//! their bench's yardstick.

use crate::figure::Figure;
use crate::list::BENCHES;

/// What may change without being said.
const TOLERANCE: f64 = 0.10;

/// Prints what got worse; whether nothing did.
pub(crate) fn against(on_file: &[Figure], now: &[Figure]) -> bool {
    let mut compared = 0;
    let mut worse = 0;
    for figure in now {
        let (Some(before), Some(after)) = (find(on_file, &figure.name), relative(now, figure)) else { continue };
        let Some(before) = relative(on_file, before) else { continue };
        compared += 1;
        if let Some(loss) = loss(before, after, figure.more_is_better()).filter(|loss| *loss > TOLERANCE) {
            worse += 1;
            println!("{}: {:.0} % worse than on file ({before:.3} then, {after:.3} now)", figure.name, loss * 100.0);
        }
    }
    println!("{compared} figures compared with those on file, {worse} worse by more than {:.0} %", TOLERANCE * 100.0);
    worse == 0
}

fn find<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Figure> {
    figures.iter().find(|figure| figure.name == name)
}

/// The figure as a ratio; `None` when there is nothing to hold it against.
fn relative(all: &[Figure], figure: &Figure) -> Option<f64> {
    if figure.unit == "ratio" {
        return Some(figure.value);
    }
    let bench = BENCHES.iter().find(|bench| figure.name.split('/').next() == Some(bench.name))?;
    let yardstick = find(all, bench.yardstick?)?;
    (yardstick.unit == figure.unit && yardstick.value > 0.0).then(|| figure.value / yardstick.value)
}

/// By how much `after` is worse than `before`, as a share of `before`.
fn loss(before: f64, after: f64, more_is_better: bool) -> Option<f64> {
    let change = (after - before) / before;
    change.is_finite().then_some(if more_is_better { -change } else { change })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Goal;

    fn ratio(name: &str, value: f64, goal: Goal) -> Figure {
        Figure::of(name.to_owned(), "ratio", &[value], Some(goal)).expect("one sample")
    }

    #[test]
    fn a_figure_that_got_worse_by_more_than_a_tenth_fails_the_check() {
        let rows = [
            (Goal::AtMost(1.0), 0.50, 0.54, true),
            (Goal::AtMost(1.0), 0.50, 0.56, false),
            (Goal::AtLeast(1.0), 2.0, 1.85, true),
            (Goal::AtLeast(1.0), 2.0, 1.75, false),
            (Goal::AtLeast(1.0), 2.0, 9.0, true),
        ];
        for (goal, before, after, passes) in rows {
            let (before, after) = (ratio("x/a", before, goal), ratio("x/a", after, goal));
            assert_eq!(against(&[before], std::slice::from_ref(&after)), passes, "{after:?}");
        }
    }

    #[test]
    fn a_figure_that_is_not_on_file_is_not_compared() {
        assert!(against(&[], &[ratio("x/a", 3.0, Goal::AtMost(1.0))]));
    }
}
