//! The back-test: what a scaling rule would have made of a recorded load, and what that would have cost.
//!
//! ```text
//!  trace ─▶ bins ─▶ rule ─▶ fleet (start times) ─▶ supply ─┬▶ measures ─▶ report ─▶ text, SVG, JSON
//!             └────────────────────▶ need ─────────────────┘
//! ```
//!
//! Pure: a trace in, a report out; time is the trace's. What a rule decides at the end of a bin is in force for the whole
//! next one, and later where instances take time to start. No rule sees a bin before its end.

mod accuracy;
mod curve;
mod demand;
mod engine;
mod fleet;
pub mod generate;
mod measures;
mod report;
pub mod rules;
mod svg;
mod trace;

pub use accuracy::{Accuracy, accuracy};
pub use curve::{Curve, Point, Swept, sweep};
pub use demand::{Demand, Setting};
pub use engine::run_engine;
pub use fleet::{Run, run};
pub use measures::Measures;
pub use report::{Aims, Distance, Entry, Report, RuleKind, report, warmup};
pub use svg::svg;
pub use trace::{Trace, TraceError};
