//! A token bucket in one 64-bit word.
//!
//! The generic cell rate algorithm (ITU-T I.371): instead of tokens and the time at which they were counted, the word holds
//! the time at which the bucket is full again. Taking a token puts that off by the time in which one comes back. So a zero is
//! a full bucket, and whoever forgets a bucket that is full forgets nothing.
//!
//! One load and one store: where two CPUs take of the same bucket at once, both may get the same token. A limit is exceeded by as
//! many as there are CPUs, for a moment, and no lock is needed.

/// How fast tokens come, and how many a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Nanoseconds in which one token comes.
    pub interval: u64,
    /// Tokens in a full bucket, at least one.
    pub burst: u64,
}

/// When the bucket is full again: nanoseconds of a clock that never goes back.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket(pub u64);

impl Bucket {
    /// The bucket with one token less; `None` if it has none.
    #[inline(always)]
    #[must_use]
    pub const fn take(self, now: u64, limit: Limit) -> Option<Self> {
        // It was full long ago, or is not yet.
        let full = if self.0 > now { self.0 } else { now };
        let after = full.wrapping_add(limit.interval);
        if after.wrapping_sub(now) > limit.interval.wrapping_mul(limit.burst) { None } else { Some(Self(after)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Tokens counted one by one, in units of a token's interval.
        #[test]
        fn it_gives_what_a_bucket_of_tokens_would(
            interval in 1_u64..1_000,
            burst in 1_u64..20,
            pauses in prop::collection::vec(0_u64..5_000, 1..200),
        ) {
            let limit = Limit { interval, burst };
            let (mut bucket, mut held) = (Bucket::default(), burst * interval);
            let mut now = 1_000_000;
            for pause in pauses {
                now += pause;
                held = (held + pause).min(burst * interval);
                let taken = bucket.take(now, limit);
                prop_assert_eq!(taken.is_some(), held >= interval);
                if let Some(after) = taken {
                    bucket = after;
                    held -= interval;
                }
            }
        }
    }
}
