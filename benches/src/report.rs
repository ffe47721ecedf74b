//! Collects figures and prints each as soon as it is known.

use crate::figure::{Figure, Goal};
use crate::list::Bench;

/// The figures so far.
#[derive(Default)]
pub(crate) struct Report {
    bench: &'static str,
    figures: Vec<Figure>,
}

impl Report {
    /// From now on figures belong to `bench`.
    pub(crate) fn begin(&mut self, bench: &Bench) {
        self.bench = bench.name;
        println!("\n{}: {}", bench.name, bench.about);
        println!("  {:<58} {:>10} {:<6} {:>21}  goal", "figure", "median", "", "least to greatest");
    }

    /// A figure without a goal.
    pub(crate) fn figure(&mut self, row: &str, unit: &str, samples: &[f64]) {
        self.add(row, unit, samples, None);
    }

    /// A figure with a goal.
    pub(crate) fn with_goal(&mut self, row: &str, unit: &str, samples: &[f64], goal: Goal) {
        self.add(row, unit, samples, Some(goal));
    }

    fn add(&mut self, row: &str, unit: &str, samples: &[f64], goal: Option<Goal>) {
        let Some(figure) = Figure::of(format!("{}/{row}", self.bench), unit, samples, goal) else {
            println!("  {row:<58} not measured");
            return;
        };
        let range = format!("{} to {}", short(figure.min), short(figure.max));
        println!("  {row:<58} {:>10} {unit:<6} {range:>21}  {}", short(figure.value), verdict(&figure, goal));
        self.figures.push(figure);
    }

    /// Says how many goals are met, and gives the figures away.
    pub(crate) fn finish(self) -> Vec<Figure> {
        let goals = self.figures.iter().filter(|figure| figure.met.is_some()).count();
        let met = self.figures.iter().filter(|figure| figure.met == Some(true)).count();
        println!("\n{} figures; {met} of {goals} goals met", self.figures.len());
        self.figures
    }
}

/// Enough digits to see a difference of one in a hundred.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1000.0.. => format!("{value:.0}"),
        100.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn verdict(figure: &Figure, goal: Option<Goal>) -> String {
    let bound = match goal {
        None => return String::new(),
        Some(Goal::AtMost(bound)) => format!("at most {}", short(bound)),
        Some(Goal::AtLeast(bound)) => format!("at least {}", short(bound)),
    };
    format!("{bound}: {}", if figure.met == Some(true) { "met" } else { "MISSED" })
}
