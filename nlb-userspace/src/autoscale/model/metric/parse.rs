//! Metrics as text: `sum(new_flows) / 50 + 0.2 * prometheus("up")`.
//!
//! `*` and `/` bind tighter than `+` and `-`, what stands left goes first, and parentheses go before all. A source stands alone
//! (its mean over instances is meant) or within `mean()`, `sum()`, `max()` or `min()`.

use std::str::FromStr;

use super::{Metric, Operator, Source, Statistic};
use crate::model::Name;

/// So deep may parentheses go.
const DEEPEST: usize = 32;

/// Sources that are a plain word.
pub(super) const PLAIN: [(&str, Source); 7] = [
    ("new_flows", Source::NewFlows),
    ("active_flows", Source::ActiveFlows),
    ("packets", Source::Packets),
    ("bytes", Source::Bytes),
    ("health_latency", Source::HealthLatency),
    ("cpu", Source::Cpu),
    ("memory", Source::Memory),
];

/// Ways to make one figure of several.
pub(super) const STATISTICS: [(&str, Statistic); 4] =
    [("mean", Statistic::Mean), ("sum", Statistic::Sum), ("max", Statistic::Max), ("min", Statistic::Min)];

/// A text that is no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no metric: {problem}, at character {at}")]
pub struct InvalidMetric {
    /// What was given.
    pub text: String,
    /// Where it is wrong, from 1.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl FromStr for Metric {
    type Err = InvalidMetric;

    fn from_str(text: &str) -> Result<Self, InvalidMetric> {
        let mut reader = Reader { rest: text, depth: 0 };
        let read = reader.sum().and_then(|metric| match reader.peek() {
            None => Ok(metric),
            Some(found) => Err(format!("`{found}` where an operator (+ - * /) or the end should be")),
        });
        let at = text.chars().count() - reader.rest.chars().count() + 1;
        read.map_err(|problem| InvalidMetric { text: text.to_owned(), at, problem })
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        is_there
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.takes(wanted) { Ok(()) } else { Err(format!("`{wanted}` is missing")) }
    }

    fn sum(&mut self) -> Result<Metric, String> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some('+') => Operator::Add,
                Some('-') => Operator::Subtract,
                _ => return Ok(left),
            };
            self.rest = &self.rest[1..];
            left = operation(operator, left, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Metric, String> {
        let mut left = self.factor()?;
        loop {
            let operator = match self.peek() {
                Some('*') => Operator::Multiply,
                Some('/') => Operator::Divide,
                _ => return Ok(left),
            };
            self.rest = &self.rest[1..];
            left = operation(operator, left, self.factor()?);
        }
    }

    fn factor(&mut self) -> Result<Metric, String> {
        match self.peek() {
            Some('(') => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("parentheses go deeper than {DEEPEST}"));
                }
                self.expect('(')?;
                let inner = self.sum()?;
                self.depth -= 1;
                self.expect(')').map(|()| inner)
            }
            Some(first) if first.is_ascii_digit() || matches!(first, '.' | '-') => self.number(),
            Some(first) if first.is_ascii_alphabetic() => self.source(),
            Some(other) => Err(format!("`{other}` where a number or a source should be")),
            None => Err("it ends where a number or a source should be".to_owned()),
        }
    }

    fn number(&mut self) -> Result<Metric, String> {
        let sign_of_exponent = |before: Option<char>| matches!(before, Some('e' | 'E'));
        let mut before = None;
        let end = self.rest.char_indices().find(|&(at, each)| {
            let is_sign = matches!(each, '+' | '-') && (at == 0 || sign_of_exponent(before));
            before = Some(each);
            !(is_sign || each.is_ascii_digit() || matches!(each, '.' | 'e' | 'E'))
        });
        let (digits, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| format!("`{digits}` is no number"))?;
        self.rest = rest;
        Ok(Metric::Constant { value })
    }

    fn source(&mut self) -> Result<Metric, String> {
        let begin = self.rest;
        let word = self.word();
        let found = STATISTICS.iter().find(|(name, _)| *name == word);
        let Some(&(_, statistic)) = found else {
            self.rest = begin;
            return Ok(Metric::Source { source: self.plain_source()?, statistic: Statistic::Mean });
        };
        self.expect('(')?;
        self.peek();
        let source = self.plain_source()?;
        self.expect(')')?;
        Ok(Metric::Source { source, statistic })
    }

    fn plain_source(&mut self) -> Result<Source, String> {
        let begin = self.rest;
        let word = self.word();
        if word == "prometheus" {
            self.expect('(')?;
            let query = self.quoted()?;
            self.expect(')')?;
            return Ok(Source::Prometheus { query });
        }
        let Some((_, source)) = PLAIN.iter().find(|(name, _)| *name == word) else {
            self.rest = begin;
            let known: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
            return Err(format!("`{word}` is no source: there are {} and prometheus(\"QUERY\")", known.join(", ")));
        };
        if !self.takes('(') {
            return Ok(source.clone());
        }
        if source.is_from_outside() {
            return Err(format!("{word} is always of the group's own instances: write it without a group"));
        }
        let group = self.quoted()?;
        let group: Name = group.parse().map_err(|error| format!("{error}"))?;
        self.expect(')')?;
        Ok(Source::OfTargetGroup { group, source: Box::new(source.clone()) })
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|each: char| !each.is_ascii_alphanumeric() && each != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// A text in quotes; `\"` and `\\` stand for what follows the backslash.
    fn quoted(&mut self) -> Result<String, String> {
        self.expect('"').map_err(|_missing| "a text in quotes is missing".to_owned())?;
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(letters.next().map(|(_, escaped)| escaped)),
                _ => text.push(letter),
            }
        }
        Err("the text in quotes does not end".to_owned())
    }
}

pub(super) fn operation(operator: Operator, left: Metric, right: Metric) -> Metric {
    Metric::Operation { operator, left: Box::new(left), right: Box::new(right) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_metric_says_where_and_why() {
        for (text, at, part) in [
            ("", 1, "it ends where a number or a source should be"),
            ("cpu +", 6, "it ends"),
            ("cpu cpu", 5, "`c` where an operator"),
            ("(cpu", 5, "`)` is missing"),
            ("cup / 2", 1, "`cup` is no source: there are new_flows,"),
            ("sum(2)", 5, "is no source"),
            ("prometheus(up)", 12, "a text in quotes is missing"),
            ("prometheus(\"up)", 13, "does not end"),
            ("new_flows(\"a b\")", 16, "is not a name"),
            ("cpu(\"web\")", 5, "cpu is always of the group's own instances"),
            ("1.2.3", 1, "`1.2.3` is no number"),
            ("1e999", 1, "is no number"),
            ("cpu % 2", 5, "`%` where an operator"),
        ] {
            let error = text.parse::<Metric>().expect_err(text);
            assert!(error.at == at && error.problem.contains(part), "{error}");
        }
        assert!("(".repeat(100_000).parse::<Metric>().is_err(), "no overflow of the stack");
    }
}
