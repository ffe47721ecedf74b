use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use nlb_common::active::{BUCKETS, Cell, LEVELS, Sketch, WORDS};
use nlb_common::address::Address;
use nlb_common::hash::{Affinity, Flow, HashKeys};
use nlb_common::tables::{Listener, ListenerKey, Target};
use proptest::prelude::*;

use super::window::{TURNS, Window};
use super::*;
use crate::dataplane::{SketchOf, Tables};
use crate::model::Timestamp;

/// The cells of flows that differ in the client's address and port only, as those of a service do.
fn cells(seed: u64) -> impl Iterator<Item = Cell> {
    let keys = HashKeys::from_seed(seed);
    (0..u32::MAX).map(move |number| {
        let flow = Flow {
            source: Address::v4((0x0a00_0000 + number / 50).to_be()),
            destination: Address::v4(0x0100_00c0),
            source_port: (1024 + u16::try_from(number % 50).unwrap()).to_be(),
            destination_port: 80_u16.to_be(),
            protocol: 6,
            padding: [0; 3],
        };
        Cell::of(keys.hash(&flow, Affinity::Flow))
    })
}

fn sketch_of(cells: impl IntoIterator<Item = Cell>) -> Sketch {
    let mut sketch = Sketch::EMPTY;
    cells.into_iter().for_each(|cell| sketch.set(cell));
    sketch
}

#[test]
fn few_flows_are_counted_nearly_one_by_one() {
    let mut sketch = Sketch::EMPTY;
    for (number, cell) in (1_u64..=50).zip(cells(1)) {
        sketch.set(cell);
        let estimate = estimate(&sketch);
        assert!(estimate.abs_diff(number) <= 2, "{estimate} for {number}");
    }
    assert_eq!(estimate(&Sketch::EMPTY), 0);
    assert_eq!(estimate(&sketch_of(cells(1).take(1))), 1);
}

#[test]
fn from_hundreds_to_millions_no_estimate_is_five_percent_off_and_the_standard_error_is_what_is_said() {
    // Five percent are three and a half standard errors: one estimate in two thousand is further off. Not with these seeds.
    let claimed = 0.65 / (BUCKETS as f64).sqrt();
    for number in [100_usize, 1_000, 10_000, 100_000, 1_000_000] {
        let runs = if number > 100_000 { 20 } else { 200 };
        let mut squares = 0.0;
        for seed in 0..runs {
            let found = estimate(&sketch_of(cells(seed).take(number)));
            let error = (found as f64 - number as f64) / number as f64;
            assert!(error.abs() < 0.05, "{found} for {number}, seed {seed}");
            squares += error * error;
        }
        let deviation = (squares / runs as f64).sqrt();
        println!("{number} flows: standard error {:.2} %", deviation * 100.0);
        assert!(deviation < 1.35 * claimed, "{number} flows: {deviation}");
    }
}

#[test]
fn a_full_sketch_is_very_many_flows_and_no_endless_search() {
    assert!(estimate(&Sketch([u64::MAX; WORDS])) > 500_000_000);
}

proptest! {
    /// Each cell against the moments at which it was set.
    #[test]
    fn a_cell_counts_for_three_turns_after_the_last_in_which_it_was_set(
        parts in prop::collection::vec(prop::collection::vec((0..LEVELS, 0..32_usize, 0..64_u32), 0..20), 1..12),
    ) {
        let mut window = Window::default();
        for now in 0..parts.len() {
            window.turn(&sketch_of(parts[now].iter().map(|&(block, word, bit)| Cell { block, word, bit: 1 << bit })));
            let mut found = Sketch::EMPTY;
            window.add_to(&mut found);
            let live = parts[(now + 1).saturating_sub(TURNS)..=now].iter().flatten();
            let expected = sketch_of(live.map(|&(block, word, bit)| Cell { block, word, bit: 1 << bit }));
            prop_assert!(found == expected, "after {now}");
            prop_assert_eq!(window.is_empty(), expected.is_empty());
        }
    }
}

/// The packet path's sketches, and who follows them.
struct Bench {
    sketches: BTreeMap<SketchOf, Sketch>,
    active: ActiveFlows,
    now: Timestamp,
}

const TARGETS: [SketchOf; 2] = [SketchOf::Target(1), SketchOf::Target(2)];

fn listener(port: u16) -> WatchedListener {
    let key = ListenerKey::new(Address::v4(1), 6, port);
    WatchedListener { key, counters: port.into() }
}

fn sole() -> WatchedGroup {
    WatchedGroup { sole: Some(listener(5)), targets: vec![(11, 1), (12, 2)], ..WatchedGroup::default() }
}

fn shared() -> WatchedGroup {
    WatchedGroup { sole: None, sharing: vec![(listener(5), 5), (listener(6), 6)], ..sole() }
}

impl Bench {
    fn begin(tables: &Tables, group: WatchedGroup) -> Self {
        let now = Timestamp::from_epoch(Duration::from_secs(1_000));
        let mut active = ActiveFlows::begin(tables, now);
        active.watch(Watched(vec![group]), now);
        Self { sketches: BTreeMap::new(), active, now }
    }

    fn watch(&mut self, group: WatchedGroup) {
        self.active.watch(Watched(vec![group]), self.now);
    }

    fn packets(&mut self, of: SketchOf, cells: impl Iterator<Item = Cell>) {
        self.sketches.entry(of).or_default().add(&sketch_of(cells));
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if self.active.due() <= self.now {
                let sketches = &mut self.sketches;
                let take = |of| Ok::<_, Infallible>(Some(Box::new(sketches.remove(&of).unwrap_or_default())));
                self.active.turn(self.now, take).unwrap();
            }
            self.now = self.now + Duration::from_secs(1);
        }
    }

    fn read(&self) -> ActiveReading {
        let look = |of| Ok::<_, Infallible>(Some(Box::new(self.sketches.get(&of).copied().unwrap_or_default())));
        self.active.read(self.now, look).unwrap()
    }

    fn target(&self, index: u32) -> Option<u64> {
        self.read().targets.get(&index).copied()
    }

    fn listener(&self, counters: u32) -> Option<u64> {
        self.read().listeners.get(&counters).copied()
    }
}

#[track_caller]
fn assert_near(found: Option<u64>, flows: u64) {
    let found = found.expect("it is known");
    assert!(found.abs_diff(flows) * 20 <= flows, "{found} for {flows}");
}

#[test]
fn a_flow_is_active_for_a_minute_after_its_last_packet_and_not_for_a_minute_and_a_half() {
    for offset in 0..25 {
        let mut bench = Bench::begin(&Tables::default(), sole());
        bench.pass(100 + offset);
        bench.packets(TARGETS[0], cells(1).take(1_000));
        assert_near(bench.target(1), 1_000);
        bench.pass(60);
        assert_near(bench.target(1), 1_000);
        bench.pass(21);
        assert_eq!(bench.target(1), Some(0), "{offset}");
    }
}

#[test]
fn flows_that_go_on_are_counted_once_and_always() {
    let mut bench = Bench::begin(&Tables::default(), sole());
    for _ in 0..30 {
        bench.packets(TARGETS[1], cells(1).take(10_000));
        bench.pass(11);
        assert_near(bench.target(2), 10_000);
        assert_eq!(bench.target(1), Some(0));
    }
}

#[test]
fn a_listener_alone_has_its_targets_flows_and_one_that_moved_once() {
    let mut bench = Bench::begin(&Tables::default(), sole());
    bench.packets(TARGETS[0], cells(1).take(6_000));
    bench.pass(30);
    // The target has died: its flows are the other's.
    bench.packets(TARGETS[1], cells(1).take(10_000));
    assert_near(bench.target(1), 6_000);
    assert_near(bench.target(2), 10_000);
    assert_near(bench.listener(5), 10_000);
}

#[test]
fn listeners_that_share_a_group_are_told_apart() {
    let mut bench = Bench::begin(&Tables::default(), shared());
    bench.packets(SketchOf::Listener(5), cells(1).take(7_000));
    bench.packets(SketchOf::Listener(6), cells(2).take(500));
    assert_near(bench.listener(5), 7_000);
    assert_near(bench.listener(6), 500);
}

#[test]
fn of_what_an_earlier_agent_had_nothing_is_said_for_a_minute() {
    let mut tables = Tables::default();
    tables.targets.insert(1, Target { tag: 11, ..Target::default() });
    tables.listeners.insert(listener(5).key, Listener::default());
    for (group, listeners) in [(sole(), [None, None]), (shared(), [None, Some(0)])] {
        let mut bench = Bench::begin(&tables, group);
        // Nobody knows how old these are.
        for of in [TARGETS[0], SketchOf::Listener(5)] {
            bench.packets(of, cells(1).take(9_000));
        }
        bench.pass(59);
        assert_eq!((bench.target(1), bench.target(2)), (None, Some(0)));
        assert_eq!([bench.listener(5), bench.listener(6)], listeners);
        bench.pass(2);
        assert_eq!((bench.target(1), bench.listener(5)), (Some(0), Some(0)));
    }
}

#[test]
fn a_listener_that_gets_company_is_unknown_until_its_own_sketch_has_seen_a_minute() {
    let mut bench = Bench::begin(&Tables::default(), sole());
    bench.pass(333);
    // Of a time when it shared its group before.
    bench.packets(SketchOf::Listener(5), cells(1).take(900));
    bench.watch(shared());
    while bench.listener(5).is_none() {
        assert_eq!(bench.listener(6), Some(0), "new, and known at once");
        bench.pass(1);
    }
    assert_eq!(bench.listener(5), Some(0));
    assert!(bench.now.since(Timestamp::from_epoch(Duration::from_secs(1_333))) <= Duration::from_secs(80));
    bench.watch(sole());
    bench.packets(TARGETS[0], cells(1).take(900));
    assert_near(bench.listener(5), 900);
}

#[test]
fn an_index_that_was_given_to_another_target_brings_no_flows_along() {
    let mut bench = Bench::begin(&Tables::default(), sole());
    bench.packets(TARGETS[0], cells(1).take(4_000));
    bench.pass(30);
    bench.watch(WatchedGroup { targets: vec![(13, 1)], ..sole() });
    assert_eq!(bench.target(1), Some(0));
    bench.watch(WatchedGroup { targets: vec![(13, 2)], ..sole() });
    assert_eq!((bench.target(1), bench.target(2)), (None, Some(0)));
}

#[test]
fn without_a_sketch_nothing_is_said() {
    let mut bench = Bench::begin(&Tables::default(), sole());
    let look = |of| Ok::<_, Infallible>((of == TARGETS[0]).then(|| Box::new(Sketch::EMPTY)));
    let reading = bench.active.read(bench.now, look).unwrap();
    assert_eq!((reading.targets, reading.listeners), ([(1, 0)].into(), [].into()));
    bench.active.turn(bench.now, |_| Ok::<_, Infallible>(None)).unwrap();
    assert_eq!(bench.read().listeners, [(5, 0)].into());
}
