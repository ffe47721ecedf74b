//! Figures that others measure: what a Prometheus server answers to a query, what node_exporter says of a host.
//!
//! Parsing is pure (`answer`, `exposition`, `Usage`), asking is one GET with a time limit, by the client of the health checks. Whom
//! to ask when, and what an answer is worth, is its callers' business: [`crate::autoscale::runtime`] and `nlb asg import`.
//!
//! The invariant: an answer that is not wholly understood is no figure.

mod answer;
mod exposition;
mod node_exporter;
mod promql;

pub use node_exporter::{CpuTime, NodeExporter, Usage};
pub use promql::{Prometheus, Span};

use crate::health::ProbeError;

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeError {
    /// The server does not answer.
    #[error(transparent)]
    Unreachable(#[from] ProbeError),
    /// The server can't do it.
    #[error("status {status}: {said}")]
    Status {
        /// The status code.
        status: u16,
        /// The first line of what it says.
        said: String,
    },
    /// What answers is another server.
    #[error("what answers is no Prometheus API: {0}")]
    NotPrometheus(String),
    /// It does not take the query.
    #[error("the query is refused: {0}")]
    Refused(String),
    /// The query gives something that is no number.
    #[error("the query gives {found}, not numbers: {mend}")]
    WrongType {
        /// What.
        found: &'static str,
        /// What would be right.
        mend: &'static str,
    },
    /// The query gives nothing.
    #[error("the query gives no sample")]
    Empty,
    /// The query gives what can't be calculated with.
    #[error("the query gives {value} for {series}")]
    NotFinite {
        /// The sample, as it came.
        value: String,
        /// Its labels.
        series: String,
    },
    /// The query gives several series where one is wanted.
    #[error("the query gives {0} series, not one: aggregate them, as by sum(…)")]
    Several(usize),
    /// A page that is not as Prometheus' text format says.
    #[error("line {line} of the page is none of the text format: `{text}`")]
    Malformed {
        /// From 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A page without what is looked for.
    #[error("the page has no {name}: does the exporter run its collector `{collector}`?")]
    Missing {
        /// The metric.
        name: &'static str,
        /// What exports it.
        collector: &'static str,
    },
}

/// The first line of a body, for people.
fn first_line(body: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(body);
    let line: String = text.lines().next().unwrap_or_default().chars().take(LONGEST).collect();
    if line.is_empty() { "nothing else".to_owned() } else { line }
}
