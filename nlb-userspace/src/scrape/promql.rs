//! Queries of a Prometheus server.

use std::time::Duration;

use super::{ScrapeError, answer};
use crate::health::{Document, Prober};
use crate::model::PrometheusServer;

/// Bytes of an answer: some ten thousand series, or points of one.
const LONGEST: usize = 4 << 20;

/// Points that Prometheus gives at most in one answer to a range query.
const MOST_POINTS: u64 = 11_000;

/// A server that is asked.
#[derive(Clone, Debug)]
pub struct Prometheus<'a> {
    /// Where it is.
    pub server: &'a PrometheusServer,
    /// What asks.
    pub prober: &'a Prober,
}

/// A span of time in steps, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end, which is in it.
    pub to: u64,
    /// Time between two points.
    pub step: u64,
}

impl Span {
    /// Parts of it that one answer can hold, in the order of time.
    pub fn parts(self) -> impl ExactSizeIterator<Item = Self> {
        let reach = (MOST_POINTS - 1) * self.step;
        let starts: Vec<_> = std::iter::successors(Some(self.from), |from| Some(from + reach + self.step))
            .take_while(|from| *from <= self.to)
            .collect();
        starts.into_iter().map(move |from| Self { from, to: self.to.min(from + reach), step: self.step })
    }
}

impl Prometheus<'_> {
    /// The samples that a query gives now, all of them finite, and at least one.
    pub async fn instant(&self, query: &str) -> Result<Vec<f64>, ScrapeError> {
        let limit = self.server.timeout.as_secs_f64().to_string();
        let path = path("/api/v1/query", &[("query", query), ("timeout", &limit)]);
        let answer = self.prober.fetch(&self.document(&path), self.server.timeout).await?;
        answer::instant(answer.status, &answer.body)
    }

    /// The points of the only series that a query gives over a part of a span.
    pub async fn range(&self, query: &str, part: Span, timeout: Duration) -> Result<Vec<(f64, f64)>, ScrapeError> {
        let [from, to, step] = [part.from, part.to, part.step].map(|number| number.to_string());
        let fields = [("query", query), ("start", &from), ("end", &to), ("step", &step)];
        let answer = self.prober.fetch(&self.document(&path("/api/v1/query_range", &fields)), timeout).await?;
        answer::range(answer.status, &answer.body)
    }

    fn document<'a>(&'a self, path: &'a str) -> Document<'a> {
        Document { server: &self.server.url, path, verify: self.server.verify, longest: LONGEST }
    }
}

fn path(below: &str, fields: &[(&str, &str)]) -> String {
    format!("{below}?{}", serde_urlencoded::to_string(fields).expect("texts can be encoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_asked_for_in_parts_that_meet_and_hold_every_step_once() {
        for (steps, parts) in [(0, 1), (10_999, 1), (11_000, 2), (30_000, 3)] {
            let span = Span { from: 600, to: 600 + steps * 60, step: 60 };
            let all: Vec<_> = span.parts().collect();
            assert_eq!(all.len(), parts, "{steps}");
            let moments: Vec<_> = all.iter().flat_map(|part| (part.from..=part.to).step_by(60)).collect();
            assert!(all.iter().all(|part| (part.to - part.from) / 60 < MOST_POINTS), "{all:?}");
            assert_eq!(moments, (span.from..=span.to).step_by(60).collect::<Vec<_>>());
        }
        assert_eq!(Span { from: 61, to: 60, step: 60 }.parts().len(), 0);
    }

    #[test]
    fn a_query_stands_in_the_path_as_it_is_meant() {
        let path = path("/api/v1/query", &[("query", "sum(rate(x{a=\"b&c\"}[1m])) + 1")]);
        assert_eq!(path, "/api/v1/query?query=sum%28rate%28x%7Ba%3D%22b%26c%22%7D%5B1m%5D%29%29+%2B+1");
    }
}
