//! From figures of sources to the figure of a metric.

use super::{Metric, MetricError, Operator, Source, Statistic};

impl Metric {
    /// The figure, given those of its sources. What can't be had makes the whole no figure; so does what is not finite.
    pub fn evaluate(
        &self,
        measure: &mut impl FnMut(&Source, Statistic) -> Result<f64, MetricError>,
    ) -> Result<f64, MetricError> {
        match self {
            Self::Constant { value } => Ok(*value),
            Self::Source { source, statistic } => {
                let figure = measure(source, *statistic)?;
                let reason = || format!("{figure} is no number");
                let failed = || MetricError::Failed { source_name: source.to_string(), reason: reason() };
                if figure.is_finite() { Ok(figure) } else { Err(failed()) }
            }
            Self::Operation { operator, left, right } => {
                let (left, right) = (left.evaluate(measure)?, right.evaluate(measure)?);
                let result = match operator {
                    Operator::Add => left + right,
                    Operator::Subtract => left - right,
                    Operator::Multiply => left * right,
                    Operator::Divide => left / right,
                };
                let wrong = || MetricError::NotANumber {
                    left: left.to_string(),
                    operator: operator.to_string(),
                    right: right.to_string(),
                };
                if result.is_finite() { Ok(result) } else { Err(wrong()) }
            }
        }
    }

    /// What has to be measured for it, left to right.
    pub fn sources(&self) -> Vec<(&Source, Statistic)> {
        match self {
            Self::Constant { .. } => Vec::new(),
            Self::Source { source, statistic } => vec![(source, *statistic)],
            Self::Operation { left, right, .. } => [left.sources(), right.sources()].concat(),
        }
    }

    /// Whether a Prometheus server is asked for it.
    pub fn asks_prometheus(&self) -> bool {
        self.sources().iter().any(|(source, _)| matches!(source, Source::Prometheus { .. }))
    }

    /// Whether it needs answers from outside of this host.
    pub fn is_from_outside(&self) -> bool {
        self.sources().iter().any(|(source, _)| source.is_from_outside())
    }
}

impl Source {
    /// Whether others measure it: node_exporter on instances, or a Prometheus server.
    pub const fn is_from_outside(&self) -> bool {
        matches!(self, Self::Cpu | Self::Memory | Self::Prometheus { .. })
    }
}

impl Statistic {
    /// The one figure of several; `None` of none.
    pub fn of(self, figures: &[f64]) -> Option<f64> {
        let fold = |pick: fn(f64, f64) -> f64| figures.iter().copied().reduce(pick);
        match self {
            Self::Sum => fold(|a, b| a + b),
            Self::Max => fold(f64::max),
            Self::Min => fold(f64::min),
            Self::Mean => {
                // There are never more instances than a u32 counts.
                let number = f64::from(u32::try_from(figures.len()).unwrap_or(u32::MAX));
                fold(|a, b| a + b).map(|sum| sum / number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_done_over_figures_and_not_over_missing_ones() {
        let missing = || MetricError::NoData { what: "memory".to_owned() };
        let mut measure = |source: &Source, statistic: Statistic| match (source, statistic) {
            (Source::Cpu, Statistic::Mean) => Ok(80.0),
            (Source::Cpu, Statistic::Max) => Ok(95.0),
            (Source::NewFlows, _) => Ok(0.0),
            (Source::Packets, _) => Ok(f64::NAN),
            _ => Err(missing()),
        };
        for (text, expected) in [
            ("cpu", Some(80.0)),
            ("max(cpu) - cpu", Some(15.0)),
            ("2 + 3 * cpu / 40 - 1", Some(7.0)),
            ("(2 + 3) * 4", Some(20.0)),
            ("8 - 4 - 2", Some(2.0)),
            ("cpu / new_flows", None),
            ("new_flows / new_flows", None),
            ("memory * 0", None),
            ("cpu + packets", None),
            ("1e300 * 1e300", None),
        ] {
            let metric: Metric = text.parse().expect(text);
            assert_eq!(metric.evaluate(&mut measure).ok(), expected, "{text}");
        }
    }

    #[test]
    fn several_figures_become_one() {
        for (statistic, expected) in
            [(Statistic::Mean, 4.0), (Statistic::Sum, 12.0), (Statistic::Max, 7.0), (Statistic::Min, 1.0)]
        {
            assert_eq!(statistic.of(&[4.0, 1.0, 7.0]), Some(expected));
            assert_eq!(statistic.of(&[]), None);
        }
    }
}
