//! What the schedule promises, under a clock that the tests turn.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::probe::ProbeError;
use super::*;

const UNLIMITED: usize = usize::MAX;

/// The most of so many targets' checks, at moments that are as good as random, in any twentieth of their interval: six
/// standard deviations above the mean.
fn most_of_a_twentieth(count: usize) -> usize {
    let mean = count / 20;
    mean + 6 * mean.isqrt() + 6
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(1_700_000_000) + Duration::from_millis(millis))
}

fn every(millis: u64) -> Arc<HealthCheck> {
    let interval = Duration::from_millis(millis);
    Arc::new(HealthCheck { interval, fast_interval: interval / 5, ..HealthCheck::default() })
}

fn key(number: usize) -> TargetKey {
    let address = std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap());
    TargetKey { group: "web".parse().unwrap(), address: address.into(), port: 80 }
}

fn target(number: usize, check: &Arc<HealthCheck>, begin: Health) -> Checked {
    Checked { key: key(number), check: check.clone(), begin }
}

fn healthy(count: usize, check: &Arc<HealthCheck>) -> Vec<Checked> {
    (0..count).map(|number| target(number, check, Health::Healthy)).collect()
}

fn pass() -> Outcome {
    Outcome { result: Ok(Duration::ZERO) }
}

fn fail() -> Outcome {
    Outcome { result: Err(ProbeError::ConnectionRefused) }
}

/// Runs a schedule as the checker does, with checks that take as long as `latency` says and end as `outcome` says.
struct Run<'a> {
    schedule: Schedule,
    now: Timestamp,
    latency: &'a dyn Fn(&Job) -> Duration,
    outcome: &'a dyn Fn(&Job) -> Outcome,
    under_way: BTreeMap<(Timestamp, u64), Job>,
    starts: Vec<(Timestamp, TargetKey)>,
    reports: Vec<HealthReport>,
    most_under_way: usize,
}

impl<'a> Run<'a> {
    fn new(seed: u64, limit: usize) -> Self {
        Self {
            schedule: Schedule::new(seed, limit),
            now: at(0),
            latency: &|_| Duration::ZERO,
            outcome: &|_| pass(),
            under_way: BTreeMap::new(),
            starts: Vec::new(),
            reports: Vec::new(),
            most_under_way: 0,
        }
    }

    fn sync(&mut self, targets: &[Checked]) {
        let reports = self.schedule.sync(targets, self.now);
        self.reports.extend(reports);
    }

    fn until(&mut self, end: Timestamp) {
        loop {
            let finished = self.under_way.first_key_value().map(|((end, _), _)| *end);
            let next = [self.schedule.next_due(), finished].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Everything that is due now.
    fn step(&mut self) {
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let job = entry.remove();
            let report = self.schedule.finish(job.id, &(self.outcome)(&job), self.now);
            self.reports.extend(report);
        }
        while let Some(job) = self.schedule.due(self.now) {
            assert!(self.under_way.values().all(|other| other.target != job.target), "asked twice at a time");
            self.starts.push((self.now, job.target.clone()));
            self.under_way.insert((self.now + (self.latency)(&job), job.id), job);
            self.most_under_way = self.most_under_way.max(self.under_way.len());
        }
    }

    fn starts_of(&self, key: &TargetKey) -> Vec<Timestamp> {
        self.starts.iter().filter(|(_, target)| target == key).map(|(at, _)| *at).collect()
    }

    /// The most starts in any window of that length.
    fn most_within(&self, window: Duration) -> usize {
        let (mut first, mut most) = (0, 0);
        for (last, (at, _)) in self.starts.iter().enumerate() {
            while at.since(self.starts[first].0) >= window {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn each_target_is_asked_once_per_interval(seed: u64, count in 1_usize..60, millis in 100_u64..10_000) {
        let mut run = Run::new(seed, UNLIMITED);
        run.sync(&healthy(count, &every(millis)));
        run.until(at(20 * millis));
        for number in 0..count {
            let starts = run.starts_of(&key(number));
            prop_assert!((19..=21).contains(&starts.len()), "{} starts in 20 intervals", starts.len());
            prop_assert!(starts[0].since(at(0)) <= Duration::from_millis(millis) * 9 / 8);
        }
    }

    #[test]
    fn checks_are_spread_evenly_from_the_start(seed: u64, count in 1_usize..1500, millis in 100_u64..10_000) {
        let most = |seed| {
            let mut run = Run::new(seed, UNLIMITED);
            run.sync(&healthy(count, &every(millis)));
            run.until(at(4 * millis));
            run.most_within(Duration::from_millis(millis) / 20)
        };
        let (one, other) = (most(seed), most(!seed));
        prop_assert!(one.max(other) <= most_of_a_twentieth(count), "{one}, {other} of {count} in a twentieth of the interval");
        // Chance goes beyond that once in some ten thousand runs, and not in two.
        prop_assert!(one.min(other) <= count / 20 * 3 / 2 + 10, "{one}, {other} of {count} in a twentieth of the interval");
    }

    #[test]
    fn a_mass_failure_and_recovery_leaves_targets_spread(seed: u64, count in 100_usize..800) {
        let mut run = Run::new(seed, UNLIMITED);
        run.sync(&healthy(count, &every(1000)));
        run.until(at(5_000));
        run.outcome = &|_| fail();
        run.until(at(10_000));
        run.outcome = &|_| pass();
        run.until(at(15_000));
        prop_assert_eq!(run.reports.len(), 2 * count, "each unhealthy once and healthy once");
        run.starts.clear();
        run.until(at(20_000));
        // Moments of recovery are as good as random.
        let most = run.most_within(Duration::from_millis(50));
        prop_assert!(most <= most_of_a_twentieth(count), "{most} of {count} within a twentieth of the interval");
    }

    #[test]
    fn a_scheduler_that_was_suspended_does_not_burst(
        seed: u64, count in 1_usize..1500, suspended in 1_u64..100_000,
    ) {
        const INTERVAL: u64 = 1000;
        let mut run = Run::new(seed, UNLIMITED);
        run.sync(&healthy(count, &every(INTERVAL)));
        run.until(at(3 * INTERVAL));
        run.now = run.now + Duration::from_millis(suspended);
        let woken = run.now;
        run.starts.clear();
        run.until(woken + Duration::from_millis(2 * INTERVAL));
        // At most twice the usual pace, but for what a coarse timer may find due and the burst that few targets may be.
        prop_assert!(run.most_within(Duration::from_millis(50)) <= 2 * count * 70 / 1000 + 33);
        for number in 0..count {
            let starts = run.starts_of(&key(number));
            prop_assert!((1..=3).contains(&starts.len()), "asked {} times in the 2 intervals after", starts.len());
            let apart = starts.windows(2).map(|pair| pair[1].since(pair[0])).min();
            prop_assert!(apart.is_none_or(|apart| apart >= Duration::from_millis(INTERVAL / 2)));
        }
    }

    #[test]
    fn slow_checks_keep_to_the_limit_and_starve_nobody(
        seed: u64, count in 1_usize..80, limit in 1_usize..10, slowest in 1_u64..3000,
    ) {
        let latency = move |job: &Job| Duration::from_millis(job.id.wrapping_mul(GOLDEN) % slowest);
        let mut run = Run::new(seed, limit);
        run.latency = &latency;
        run.sync(&healthy(count, &every(1000)));
        // Time for everybody to be asked three times, one group of `limit` after the other, each as slow as can be.
        let rounds = count.div_ceil(limit) as u64;
        run.until(at(3 * (2000 + rounds * slowest)));
        prop_assert!(run.most_under_way <= limit);
        for number in 0..count {
            prop_assert!(run.starts_of(&key(number)).len() >= 2, "target {number} starves");
        }
    }

    #[test]
    fn a_reload_disturbs_no_target_that_it_does_not_name(
        seed: u64, count in 1_usize..12, reloads in prop::collection::vec((0_u64..5000, 12_usize..20), 0..20),
    ) {
        let check = every(1000);
        let kept = healthy(count, &check);
        let outcome = |job: &Job| if job.id.is_multiple_of(3) { fail() } else { pass() };
        let mut quiet = Run::new(seed, UNLIMITED);
        let mut reloaded = Run::new(seed, UNLIMITED);
        quiet.outcome = &outcome;
        reloaded.outcome = &outcome;
        quiet.sync(&kept);
        reloaded.sync(&kept);
        let mut moments = reloads;
        moments.sort_unstable();
        for (moment, guest) in moments {
            reloaded.until(at(moment));
            // As a controller does: what was reported is what the next list says.
            let mut list = kept.clone();
            for report in &reloaded.reports {
                let named = list.iter_mut().find(|checked| checked.key == report.target);
                named.into_iter().for_each(|checked| checked.begin = report.health);
            }
            list.push(target(guest, &check, Health::Initial));
            list.reverse();
            reloaded.sync(&list);
        }
        quiet.until(at(6000));
        reloaded.until(at(6000));
        let of_kept = |run: &Run| {
            let mut starts = run.starts.clone();
            starts.retain(|(_, key)| kept.iter().any(|kept| &kept.key == key));
            let mut reports = run.reports.clone();
            reports.retain(|report| kept.iter().any(|kept| kept.key == report.target));
            (starts, reports)
        };
        prop_assert_eq!(of_kept(&quiet), of_kept(&reloaded));
    }

    #[test]
    fn only_listed_targets_are_asked_whatever_comes_and_goes(
        seed: u64,
        lists in prop::collection::vec((prop::collection::vec(any::<bool>(), 10), 1_u64..1500), 1..30),
        limit in 1_usize..12,
    ) {
        let check = every(400);
        let latency = |job: &Job| Duration::from_millis(job.id * 97 % 900);
        let mut run = Run::new(seed, limit);
        run.latency = &latency;
        for (listed, millis) in lists {
            let list: Vec<Checked> = healthy(10, &check)
                .into_iter()
                .zip(&listed)
                .filter_map(|(target, listed)| listed.then_some(target))
                .collect();
            run.sync(&list);
            let before = run.starts.len();
            run.until(run.now + Duration::from_millis(millis));
            for (_, key) in &run.starts[before..] {
                prop_assert!(list.iter().any(|target| &target.key == key), "{key} is not listed");
            }
            for (number, listed) in listed.iter().enumerate() {
                prop_assert_eq!(run.schedule.contains(&key(number)), *listed);
            }
        }
        // Nothing is left behind of those that went.
        run.sync(&[]);
        run.until(run.now + Duration::from_secs(1));
        prop_assert_eq!(run.schedule.in_flight, 0);
        prop_assert!(run.schedule.entries.is_empty() && run.schedule.ids.is_empty() && run.schedule.queue.is_empty());
        prop_assert_eq!(run.schedule.next_due(), None);
    }
}

#[test]
fn a_change_in_the_making_is_looked_at_faster() {
    let mut run = Run::new(1, UNLIMITED);
    run.sync(&[target(0, &every(5000), Health::Healthy)]);
    run.until(at(20_000));
    let steady = run.starts.len();
    assert!((3..=5).contains(&steady), "{steady}");
    run.outcome = &|_| fail();
    run.until(at(40_000));
    let starts = run.starts_of(&key(0));
    // The first failure comes after an interval, the second, that decides, after a fast one; then the pace is slow again.
    let gap = |n: usize| starts[n].since(starts[n - 1]);
    assert!(gap(steady + 1) < Duration::from_millis(2000), "{:?}", gap(steady + 1));
    assert!(gap(steady + 3) > Duration::from_millis(4000), "{:?}", gap(steady + 3));
    assert_eq!(run.reports.len(), 1);
    assert_eq!(run.reports[0].health, Health::Unhealthy);
}

#[test]
fn a_new_target_is_asked_at_the_fast_interval() {
    let mut run = Run::new(9, UNLIMITED);
    run.sync(&[target(0, &every(300_000), Health::Initial)]);
    run.until(at(300_000));
    assert_eq!(run.reports.len(), 1);
    assert_eq!((run.reports[0].health, run.reports[0].reason.as_str()), (Health::Healthy, "2 of 2 checks passed"));
}

/// One target, and a check of it that is under way.
fn under_way(begin: Health) -> (Schedule, Job, Timestamp) {
    let once = HealthCheck { unhealthy_threshold: 1, healthy_threshold: 1, ..HealthCheck::default() };
    let mut schedule = Schedule::new(3, UNLIMITED);
    schedule.sync(&[target(0, &Arc::new(once), begin)], at(0));
    let now = schedule.next_due().unwrap();
    let job = schedule.due(now).unwrap();
    (schedule, job, now)
}

#[test]
fn an_outcome_of_old_settings_does_not_count() {
    let (mut schedule, job, now) = under_way(Health::Healthy);
    let moved = HealthCheck { port: Some(8080), ..(*job.check).clone() };
    assert_eq!(schedule.sync(&[target(0, &Arc::new(moved), Health::Healthy)], now), []);
    assert_eq!(schedule.finish(job.id, &fail(), now), None);
    let now = schedule.next_due().unwrap();
    let job = schedule.due(now).unwrap();
    assert_eq!((job.address.port(), job.target.port), (8080, 80));
    assert_eq!(schedule.finish(job.id, &fail(), now).unwrap().health, Health::Unhealthy);
}

#[test]
fn a_target_added_again_begins_anew_and_waits_for_its_old_check() {
    let (mut schedule, job, now) = under_way(Health::Healthy);
    schedule.sync(&[], now);
    assert!(!schedule.contains(&job.target));
    schedule.sync(&[Checked { key: job.target.clone(), check: job.check.clone(), begin: Health::Initial }], now);
    assert!(schedule.contains(&job.target));
    assert_eq!(schedule.next_due(), None, "its old check is still under way");
    assert_eq!(schedule.finish(job.id, &pass(), now), None);
    let now = schedule.next_due().unwrap();
    let job = schedule.due(now).unwrap();
    assert_eq!(schedule.finish(job.id, &pass(), now).unwrap().health, Health::Healthy);
}

#[test]
fn what_the_list_has_forgotten_is_reported_again() {
    let (mut schedule, job, now) = under_way(Health::Initial);
    let listed = |begin| [Checked { key: job.target.clone(), check: job.check.clone(), begin }];
    let report = schedule.finish(job.id, &pass(), now).unwrap();
    assert_eq!(schedule.sync(&listed(Health::Healthy), now), []);
    assert_eq!(schedule.sync(&listed(Health::Initial), now), [report]);
}

#[test]
fn a_host_without_descriptors_fails_nobody() {
    let (mut schedule, job, now) = under_way(Health::Healthy);
    let outcome = Outcome { result: Err(ProbeError::NoDescriptors) };
    assert_eq!(schedule.finish(job.id, &outcome, now), None);
    assert!(schedule.next_due().is_some(), "it is asked again");
}
