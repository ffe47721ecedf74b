//! Metrics shown as the text that they are read from, with no more parentheses than it takes.

use std::fmt;

use super::parse::{PLAIN, STATISTICS};
use super::{Metric, Operator, Source, Statistic};

impl Operator {
    const fn binds_tighter(self) -> bool {
        matches!(self, Self::Multiply | Self::Divide)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
        })
    }
}

impl fmt::Display for Metric {
    /// `sum(new_flows) / 50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, left, right) = match self {
            Self::Constant { value } => return write!(f, "{value}"),
            Self::Source { source, statistic: Statistic::Mean } => return write!(f, "{source}"),
            Self::Source { source, statistic } => {
                let name = STATISTICS.iter().find(|(_, known)| known == statistic).map_or("mean", |(name, _)| name);
                return write!(f, "{name}({source})");
            }
            Self::Operation { operator, left, right } => (operator, left, right),
        };
        let looser = |inner: &Self| match inner {
            Self::Operation { operator: inner, .. } => operator.binds_tighter() && !inner.binds_tighter(),
            _ => false,
        };
        let as_loose = |inner: &Self| match inner {
            Self::Operation { operator: inner, .. } => operator.binds_tighter() || !inner.binds_tighter(),
            _ => false,
        };
        if looser(left) { write!(f, "({left})") } else { write!(f, "{left}") }?;
        write!(f, " {operator} ")?;
        if as_loose(right) { write!(f, "({right})") } else { write!(f, "{right}") }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prometheus { query } => write!(f, "prometheus({})", Quoted(query)),
            Self::OfTargetGroup { group, source } => write!(f, "{source}({})", Quoted(group.as_str())),
            plain => f.write_str(PLAIN.iter().find(|(_, source)| source == plain).map_or("", |(name, _)| name)),
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::operation;
    use super::*;

    fn source() -> impl Strategy<Value = Source> {
        let plain = prop::sample::select(PLAIN.map(|(_, source)| source).to_vec());
        let of_targets: Vec<Source> =
            PLAIN.map(|(_, source)| source).into_iter().filter(|source| !source.is_from_outside()).collect();
        let of_targets = prop::sample::select(of_targets);
        let group = "[a-z][a-z0-9.-]{0,8}";
        prop_oneof![
            4 => plain,
            1 => "[ -~]{0,12}".prop_map(|query| Source::Prometheus { query }),
            1 => (group, of_targets).prop_map(|(group, source)| {
                Source::OfTargetGroup { group: group.parse().expect("a name"), source: Box::new(source) }
            }),
        ]
    }

    fn metric() -> impl Strategy<Value = Metric> {
        let statistic = prop::sample::select(STATISTICS.map(|(_, statistic)| statistic).to_vec());
        let leaf = prop_oneof![
            (source(), statistic).prop_map(|(source, statistic)| Metric::Source { source, statistic }),
            (-1e6..1e6).prop_map(|value| Metric::Constant { value }),
        ];
        let operators = vec![Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide];
        leaf.prop_recursive(5, 24, 2, move |inner| {
            (prop::sample::select(operators.clone()), inner.clone(), inner)
                .prop_map(|(operator, left, right)| operation(operator, left, right))
        })
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(metric in metric()) {
            let text = metric.to_string();
            prop_assert_eq!(text.parse::<Metric>(), Ok(metric), "{}", text);
        }
    }
}
