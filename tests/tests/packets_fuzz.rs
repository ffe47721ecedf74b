//! Random and mutated packets through both loaded programs: no verdict, no byte and no counter differs from what the independent
//! reference says.
//!
//! `NLB_PACKETS` sets how many packets there are, `NLB_SEED` which ones: each run has others unless it says so, and prints the seed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nlb_common::counters::DecapOutcome;
use nlb_common::datagram::Datagram;
use nlb_tests::campaign::{Campaign, Plan, Portion};
use nlb_tests::packets::fuzz::frames::Frames;
use nlb_tests::packets::fuzz::shrink::shrink;
use nlb_tests::packets::fuzz::{Outcome, edge, hex, host};
use nlb_tests::run::Action;

const PLAN: Plan = Plan { units: "packets", variable: "NLB_PACKETS", total: 100_000, portion: 12_500 };
/// How many packets are between two changes of targets.
const CHANGE: usize = 400;

/// After how many packets all flows and datagrams are forgotten.
const MEMORY: u32 = 2_500;
/// And after how long: the program forgets old datagrams, the reference doesn't, and an emulated machine may need minutes for so
/// many packets.
const AGE: Duration = Duration::from_secs(Datagram::LIFETIME as u64 / 3);

/// Both programs, on a thread without network: the target host's asks for sockets and routes.
struct Loaded {
    edge: edge::Scene,
    host: host::Scene,
}

impl Loaded {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("this needs root");
        Self { edge: edge::Scene::new().unwrap(), host: host::Scene::new().unwrap() }
    }
}

/// What is expected of counters, by what they count.
type Counts<T> = HashMap<T, u64>;

fn counts<T: Eq + Hash>(counted: Vec<(T, u64)>) -> Counts<T> {
    counted.into_iter().collect()
}

fn differs(frame: &[u8], got: &Outcome, expected: &Outcome) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    Err(format!("packet   {}\ngot      {got:?}\nexpected {expected:?}", hex(frame)))
}

/// The counters, after `expected` were added to those of `before`.
fn same_counts<T: Copy + Eq + Hash + Debug>(
    before: &Counts<T>,
    after: &Counts<T>,
    expected: &Counts<T>,
) -> Result<(), String> {
    for (what, packets) in after {
        let counted = packets - before.get(what).copied().unwrap_or_default();
        let expected = expected.get(what).copied().unwrap_or_default();
        if counted != expected {
            return Err(format!("{what:?}: {counted} packets are counted, {expected} are expected"));
        }
    }
    match expected.keys().find(|what| !after.contains_key(what)) {
        Some(what) => Err(format!("{what:?}: no packet is counted")),
        None => Ok(()),
    }
}

/// One packet through both programs.
fn compare(loaded: &mut Loaded, frame: &[u8], expected: &mut Expected) -> Result<(), String> {
    let (outcome, reason) = loaded.edge.expect(frame);
    let got = loaded.edge.run(frame).map_err(|error| format!("{error:#}"))?;
    *expected.actions.entry(outcome.action).or_default() += 1;
    if let Some(reason) = reason {
        *expected.drops.entry(reason).or_default() += 1;
    }
    differs(frame, &got, &outcome).map_err(|differs| format!("the edge's program:\n{differs}"))?;
    let (outcome, counted) = host::Scene::expect(frame);
    let got = loaded.host.run(frame).map_err(|error| format!("{error:#}"))?;
    if let Some(counted) = counted {
        *expected.outcomes.entry(counted).or_default() += 1;
    }
    differs(frame, &got, &outcome).map_err(|differs| format!("the target host's program:\n{differs}"))
}

#[derive(Default)]
struct Expected {
    actions: Counts<Action>,
    drops: Counts<nlb_common::drop_reason::DropReason>,
    outcomes: Counts<DecapOutcome>,
}

/// Runs a portion's packets. What came of them.
fn run(loaded: &mut Loaded, portion: Portion) -> Result<Expected, String> {
    let again = format!("Again: cargo xtask fuzz --packets {} --seed {}", portion.units, portion.seed);
    loaded.edge.restore().unwrap();
    let before = (counts(loaded.edge.drops().unwrap()), counts(loaded.host.outcomes().unwrap()));
    let mut frames = Frames::new(portion.seed);
    let mut forgotten = Instant::now();
    let mut expected = Expected::default();
    for number in 0..portion.units {
        if frames.garbage().once_in(CHANGE) {
            loaded.edge.change(frames.garbage()).unwrap();
        }
        if number % MEMORY == 0 || forgotten.elapsed() > AGE {
            loaded.edge.forget().unwrap();
            forgotten = Instant::now();
        }
        let answered = loaded.edge.answered(frames.garbage());
        let frame = frames.make(answered);
        if let Err(differs) = compare(loaded, &frame, &mut expected) {
            let alone = alone(loaded, &frame);
            return Err(format!("packet {number} of seed {}: {differs}\n{alone}\n{again}", portion.seed));
        }
    }
    let after = (counts(loaded.edge.drops().unwrap()), counts(loaded.host.outcomes().unwrap()));
    same_counts(&before.0, &after.0, &expected.drops)
        .and_then(|()| same_counts(&before.1, &after.1, &expected.outcomes))
        .map_err(|differs| format!("{differs}\n{again}"))?;
    Ok(expected)
}

/// Whether the portion's packets say anything: every action of the edge and every outcome on the target host is common among them.
fn is_telling(portion: Portion, seen: &Expected) -> Result<(), String> {
    const OUTCOMES: [DecapOutcome; 5] = [
        DecapOutcome::Decapsulated,
        DecapOutcome::UnknownEdge,
        DecapOutcome::Malformed,
        DecapOutcome::Congestion,
        DecapOutcome::SecondChanceLost,
    ];
    if portion.units < PLAN.portion {
        return Ok(());
    }
    let is_rare =
        |packets: Option<&u64>, one_in| packets.is_none_or(|packets| packets * one_in < u64::from(portion.units));
    let actions = [Action::Pass, Action::Drop, Action::Tx, Action::Redirect];
    if let Some(rare) = actions.iter().find(|action| is_rare(seen.actions.get(action), 50)) {
        return Err(format!("{rare:?} is rare among {:?}", seen.actions));
    }
    match OUTCOMES.iter().find(|outcome| is_rare(seen.outcomes.get(outcome), 1_000)) {
        Some(rare) => Err(format!("{rare:?} is rare among {:?}", seen.outcomes)),
        None => Ok(()),
    }
}

/// Whether the packet differs without those before it, and the shortest form of it that does.
fn alone(loaded: &mut Loaded, frame: &[u8]) -> String {
    let mut differs = |frame: &[u8]| {
        loaded.edge.forget().unwrap();
        compare(loaded, frame, &mut Expected::default()).err()
    };
    if differs(frame).is_none() {
        return "It does not by itself: what came before it matters.".to_owned();
    }
    let shortest = shrink(frame, |frame| differs(frame).is_some());
    format!("Shortest, with the targets as they are by then: {}", differs(&shortest).unwrap_or_default())
}

#[test]
fn no_verdict_nor_output_differs_from_the_reference() {
    let campaign = Campaign::from_environment(PLAN);
    println!("{campaign}");
    let work = |loaded: &mut Loaded, portion, _: &AtomicBool| {
        let seen = run(loaded, portion)?;
        is_telling(portion, &seen)
    };
    if let Err(broken) = campaign.run(Loaded::new, work) {
        panic!("{broken}");
    }
}
