//! Many histories: on all cores, and the same ones again for the same seed.
//!
//! A campaign is cut into portions, each with a seed of its own that follows from the campaign's. Which thread lives
//! through a portion changes nothing, and a portion that broke is a campaign by itself.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nlb_tests::prove::edge::SEED;
use nlb_tests::prove::history::{EDGES, live};
use nlb_tests::prove::tables::Loaded;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use super::strategy::history;

/// How many histories there are unless it is said.
const HISTORIES: u32 = 10_000;
/// Histories of a portion.
const PORTION: u32 = 250;
/// How often a broken history is tried in a shorter form.
const SHRINKS: u32 = 20_000;
/// How often it is said how far the campaign is.
const EVERY: Duration = Duration::from_secs(10);

/// Loaded programs for one history at a time.
pub(crate) fn edges() -> Vec<Loaded> {
    (0..EDGES).map(|_| Loaded::new(SEED).expect("this needs root")).collect()
}

/// So many histories.
pub(crate) struct Campaign {
    histories: u32,
    seed: u64,
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} histories, seed {}", self.histories, self.seed)
    }
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// A short seed that no other run has.
fn any_seed() -> u64 {
    RandomState::new().hash_one(0) >> u32::BITS
}

impl Campaign {
    /// As the environment says.
    pub(crate) fn from_environment() -> Self {
        Self {
            histories: number("NLB_HISTORIES").unwrap_or(HISTORIES),
            seed: number("NLB_SEED").unwrap_or_else(any_seed),
        }
    }

    /// Lives through all histories, unless one breaks: then the shortest one found that breaks as well is told.
    pub(crate) fn run(&self) -> Result<(), String> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let (next, broke, first) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(None));
        let (done, progress) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..threads {
                let done = done.clone();
                let (next, broke, first) = (&next, &broke, &first);
                scope.spawn(move || {
                    let mut loaded = edges();
                    while !broke.load(Ordering::Relaxed)
                        && let Some(portion) = self.portion(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(broken) = portion.live_through(&mut loaded, broke) {
                            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(broken);
                        } else if done.send(portion.histories).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            self.report(&progress);
        });
        first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// The portion of that number, if there are so many.
    fn portion(&self, number: u32) -> Option<Self> {
        let begin = number.checked_mul(PORTION).filter(|&begin| begin < self.histories)?;
        Some(Self { histories: PORTION.min(self.histories - begin), seed: self.seed.wrapping_add(number.into()) })
    }

    /// Says how far it is until all threads have ended.
    fn report(&self, progress: &mpsc::Receiver<u32>) {
        let start = Instant::now();
        let (mut lived, mut said) = (0_u32, start);
        while let Ok(portion) = progress.recv() {
            lived += portion;
            if said.elapsed() >= EVERY || lived == self.histories {
                said = Instant::now();
                let took = start.elapsed().as_secs_f64();
                println!("{lived} of {} histories in {took:.0} s, {:.0}/s", self.histories, f64::from(lived) / took);
            }
        }
    }

    /// Raises `broke` as soon as a history breaks, before it is made shorter.
    fn live_through(&self, loaded: &mut [Loaded], broke: &AtomicBool) -> Result<(), String> {
        let mut runner = TestRunner::new(Config {
            cases: self.histories,
            max_shrink_iters: SHRINKS,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(self.seed),
            ..Config::default()
        });
        let loaded = std::cell::RefCell::new(loaded);
        let lived = runner.run(&history(), |(settings, steps)| {
            live(&mut loaded.borrow_mut(), &settings, &steps).map_err(|broken| {
                broke.store(true, Ordering::Relaxed);
                TestCaseError::fail(broken)
            })
        });
        lived.map_err(|error| {
            let again = format!("Again: cargo xtask prove --seed {} --histories {}", self.seed, self.histories);
            match error {
                TestError::Fail(reason, (settings, steps)) => format!("{reason}\n{settings:?}\n{steps:?}\n{again}"),
                error @ TestError::Abort(_) => format!("{error}\n{again}"),
            }
        })
    }
}
