//! What Prometheus reads: the state, the counters, and how long health checks take, as OpenMetrics text.
//!
//! [`render`] is a pure function of a snapshot, a reading and the [`HealthChecks`] so far; [`server`] answers scrapes
//! with it. Series of what is no longer in the snapshot are no longer shown.

mod encode;
mod health;
mod state;
mod traffic;

pub mod server;

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use health::HealthChecks;

use crate::control::snapshot::Snapshot;
use crate::dataplane::CounterReading;

/// All metrics as OpenMetrics text. Without a reading, the counters are left out and `nlb_counters_readable` is 0.
pub fn render(
    snapshot: Arc<Snapshot>,
    reading: Option<CounterReading>,
    checks: &HealthChecks,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { snapshot, reading, checks: checks.clone() }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    reading: Option<CounterReading>,
    checks: HealthChecks,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        state::encode(&mut encoder, &self.snapshot, self.reading.is_some())?;
        if let Some(reading) = &self.reading {
            traffic::encode(&mut encoder, &self.snapshot, reading)?;
        }
        self.checks.encode(&mut encoder, &self.snapshot)
    }
}
