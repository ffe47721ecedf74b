//! Much of the same kind, on all cores, and the same again for the same seed.
//!
//! A campaign is cut into portions, each with a seed of its own that follows from the campaign's. Which thread works on a
//! portion changes nothing, and a portion that broke is a campaign by itself.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is said how far the campaign is.
const EVERY: Duration = Duration::from_secs(10);

/// What is done how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What there is many of: "histories".
    pub units: &'static str,
    /// The environment's variable that says how many.
    pub variable: &'static str,
    /// How many there are unless it does.
    pub total: u32,
    /// How many a portion has.
    pub portion: u32,
}

/// So many units.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    plan: Plan,
    seed: u64,
}

/// A part that one thread works on.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// How many units.
    pub units: u32,
    /// What they follow from.
    pub seed: u64,
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, seed {}", self.plan.total, self.plan.units, self.seed)
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
    /// As the environment says: how many by the plan's variable, which ones by `NLB_SEED`.
    pub fn from_environment(plan: Plan) -> Self {
        let total = number(plan.variable).unwrap_or(plan.total);
        Self { plan: Plan { total, ..plan }, seed: number("NLB_SEED").unwrap_or_else(any_seed) }
    }

    /// Works on all portions, unless one breaks: then what is told about the first that did. Each thread prepares once. `work`
    /// raises the flag as soon as something breaks, before it looks for the shortest form of it: the other threads stop then.
    pub fn run<S>(
        &self,
        prepare: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, Portion, &AtomicBool) -> Result<(), String> + Sync,
    ) -> Result<(), String> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let (next, broke, first) = (AtomicU32::new(0), AtomicBool::new(false), Mutex::new(None));
        let (done, progress) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..threads {
                let done = done.clone();
                let (next, broke, first, prepare, work) = (&next, &broke, &first, &prepare, &work);
                scope.spawn(move || {
                    let mut prepared = prepare();
                    while !broke.load(Ordering::Relaxed)
                        && let Some(portion) = self.portion(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Err(broken) = work(&mut prepared, portion, broke) {
                            broke.store(true, Ordering::Relaxed);
                            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(broken);
                        } else if done.send(portion.units).is_err() {
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
    fn portion(&self, number: u32) -> Option<Portion> {
        let begin = number.checked_mul(self.plan.portion).filter(|&begin| begin < self.plan.total)?;
        let units = self.plan.portion.min(self.plan.total - begin);
        Some(Portion { units, seed: self.seed.wrapping_add(number.into()) })
    }

    /// Says how far it is until all threads have ended.
    fn report(&self, progress: &mpsc::Receiver<u32>) {
        let start = Instant::now();
        let (mut so_far, mut said) = (0_u32, start);
        while let Ok(units) = progress.recv() {
            so_far += units;
            if said.elapsed() >= EVERY || so_far == self.plan.total {
                said = Instant::now();
                let took = start.elapsed().as_secs_f64();
                let Plan { units, total, .. } = self.plan;
                println!("{so_far} of {total} {units} in {took:.0} s, {:.0}/s", f64::from(so_far) / took);
            }
        }
    }
}
