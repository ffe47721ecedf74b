//! Loads that are made, not recorded: one for each way that demand behaves. Deterministic.

use std::f64::consts::TAU;

use super::{Trace, TraceError};

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The same all the time.
    Flat,
    /// Days and weekends.
    Weekly,
    /// A level, and bursts of some minutes without warning.
    Bursty,
    /// Days on a level that doubles.
    Trend,
    /// Each minute a little more or less than the one before.
    RandomWalk,
    /// Days, and crowds that come within minutes and stay for an hour or two.
    FlashCrowds,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Flat, Self::Weekly, Self::Bursty, Self::Trend, Self::RandomWalk, Self::FlashCrowds];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Weekly => "weekly",
            Self::Bursty => "bursty",
            Self::Trend => "trend",
            Self::RandomWalk => "random walk",
            Self::FlashCrowds => "flash crowds",
        }
    }

    /// So many days of it, in minutes.
    pub fn trace(self, days: u32, seed: u64) -> Result<Trace, TraceError> {
        let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
        let mut state = State { walk: 0.0, burst: 0.0, crowd: 0.0 };
        let minutes = days * 1_440;
        let points = (0..minutes).map(|minute| {
            let mean = self.mean(minute, minutes, &mut state, &mut chance);
            // A minute's count: its variance is its mean.
            let count = (mean * 60.0).max(0.0);
            let drawn = (count + count.sqrt() * chance.normal()).max(0.0);
            (f64::from(minute) * 60.0, drawn / 60.0)
        });
        Trace::of(points.collect())
    }

    /// Requests per second expected in that minute.
    fn mean(self, minute: u32, minutes: u32, state: &mut State, chance: &mut Chance) -> f64 {
        let day = 20.0 - 12.0 * (TAU * f64::from(minute % 1_440) / 1_440.0).cos();
        match self {
            Self::Flat => 20.0,
            Self::Weekly => day * if minute / 1_440 % 7 > 4 { 0.5 } else { 1.0 },
            Self::Bursty => {
                state.burst *= 0.85;
                if chance.uniform() < 1.0 / 90.0 {
                    state.burst += 25.0 * chance.uniform();
                }
                12.0 + state.burst
            }
            Self::Trend => day * (1.0 + f64::from(minute) / f64::from(minutes.max(1))),
            Self::RandomWalk => {
                state.walk = 0.999 * state.walk + 0.03 * chance.normal();
                20.0 * state.walk.exp()
            }
            Self::FlashCrowds => {
                state.crowd *= 0.99;
                if chance.uniform() < 1.0 / 2_880.0 {
                    state.crowd = 60.0;
                }
                day + state.crowd
            }
        }
    }
}

/// What a load remembers.
struct State {
    walk: f64,
    burst: f64,
    crowd: f64,
}

/// Numbers without a pattern: xorshift64* (Vigna, 2016).
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(u32::MAX);
        f64::from(high) / f64::from(u32::MAX)
    }

    /// Of mean 0 and variance 1, by the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
