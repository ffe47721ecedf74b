//! Histories in portions, and what is told about one that broke.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use nlb_tests::campaign::{Plan, Portion};
use nlb_tests::prove::edge::SEED;
use nlb_tests::prove::history::{EDGES, live};
use nlb_tests::prove::tables::Loaded;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::strategy::history;

/// The histories of a short run.
pub(crate) const PLAN: Plan = Plan { units: "histories", variable: "NLB_HISTORIES", total: 10_000, portion: 250 };
/// How often a broken history is tried in a shorter form.
const SHRINKS: u32 = 20_000;

/// Loaded programs for one history at a time.
pub(crate) fn edges() -> Vec<Loaded> {
    (0..EDGES).map(|_| Loaded::new(SEED).expect("this needs root")).collect()
}

/// Lives through a portion. If a history breaks, the shortest one found that breaks as well is told.
pub(crate) fn live_through(loaded: &mut [Loaded], portion: Portion, broke: &AtomicBool) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        cases: portion.units,
        max_shrink_iters: SHRINKS,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(portion.seed),
        ..Config::default()
    });
    let loaded = RefCell::new(loaded);
    let lived = runner.run(&history(), |(settings, steps)| {
        live(&mut loaded.borrow_mut(), &settings, &steps).map_err(|broken| {
            broke.store(true, Ordering::Relaxed);
            TestCaseError::fail(broken)
        })
    });
    lived.map_err(|error| {
        let again = format!("Again: cargo xtask prove --seed {} --histories {}", portion.seed, portion.units);
        match error {
            TestError::Fail(reason, (settings, steps)) => format!("{reason}\n{settings:?}\n{steps:?}\n{again}"),
            error @ TestError::Abort(_) => format!("{error}\n{again}"),
        }
    })
}
