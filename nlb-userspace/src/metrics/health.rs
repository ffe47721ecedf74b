//! How health checks go: how many, how they end, how long a good answer takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::encode::counters;
use crate::control::snapshot::Snapshot;
use crate::health::{Observer, Outcome};
use crate::model::{Name, TargetKey};

/// What was seen of the checks of each group. Clones share it: one is the checker's observer, one answers scrapes.
#[derive(Clone, Debug, Default)]
pub struct HealthChecks(Arc<Mutex<BTreeMap<Name, Checks>>>);

#[derive(Debug)]
struct Checks {
    passed: u64,
    failed: u64,
    duration: Histogram,
    /// How long the last answer of each target took, if it was a good one.
    last: BTreeMap<TargetKey, Duration>,
}

impl Default for Checks {
    fn default() -> Self {
        // 0.5 ms, doubled up to 8 s: from a target on the link to the longest usual timeout.
        Self {
            passed: 0,
            failed: 0,
            duration: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            last: BTreeMap::new(),
        }
    }
}

impl Observer for HealthChecks {
    fn checked(&self, target: &TargetKey, outcome: &Outcome) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let checks = groups.entry(target.group.clone()).or_default();
        match &outcome.result {
            Ok(took) => {
                checks.passed += 1;
                checks.duration.observe(took.as_secs_f64());
                checks.last.insert(target.clone(), *took);
            }
            Err(_) => {
                checks.failed += 1;
                checks.last.remove(target);
            }
        }
    }
}

impl HealthChecks {
    /// How long the last check of each target in `snapshot` took, of those that passed; others are forgotten.
    pub fn latencies(&self, snapshot: &Snapshot) -> BTreeMap<TargetKey, Duration> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, checks) in groups.iter_mut() {
            let targets = snapshot.group(name).into_iter().flat_map(|group| &group.targets);
            let known: BTreeSet<_> = targets.map(|target| &target.key).collect();
            checks.last.retain(|target, _| known.contains(target));
        }
        let last = groups.values().flat_map(|checks| &checks.last);
        last.map(|(target, took)| (target.clone(), *took)).collect()
    }

    /// The checks of the groups in `snapshot`; groups that are gone are forgotten.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>, snapshot: &Snapshot) -> Result<(), Error> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|name, _| snapshot.group(name).is_some());
        let results = groups.iter().flat_map(|(name, checks)| {
            [("passed", checks.passed), ("failed", checks.failed)]
                .map(|(result, count)| ([("group", name.to_string()), ("result", result.to_owned())], count))
        });
        counters(encoder, "nlb_health_checks", "Health checks, by their result.", results)?;
        let mut family = encoder.encode_descriptor(
            "nlb_health_check_duration_seconds",
            "How long a good answer to a health check took.",
            None,
            MetricType::Histogram,
        )?;
        for (name, checks) in groups.iter() {
            checks.duration.encode(family.encode_family(&[("group", name.to_string())])?)?;
        }
        Ok(())
    }
}
