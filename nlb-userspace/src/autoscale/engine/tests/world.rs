//! The world around an engine: machines, targets, and what goes wrong with them.

mod provider;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::settings::{at, secs};

pub(super) use provider::{Faults, Machine};
pub(super) use targets::Target;

use crate::autoscale::engine::{Action, Command, Engine, Event, State};
use crate::autoscale::model::{AutoscalingGroup, HookResult, Instance, InstanceId, Lifecycle, Token};
use crate::model::{Name, Timestamp};

/// Time between two lists, and between two ticks.
const STEP: Duration = secs(5);

/// An engine in its world.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) engine: Engine,
    pub(super) machines: BTreeMap<InstanceId, Machine>,
    pub(super) targets: BTreeMap<Token, Target>,
    pub(super) faults: Faults,
    /// How often a machine was really made for a token.
    pub(super) made: BTreeMap<Token, u32>,
    /// Machines that were ended while their target still took traffic.
    pub(super) cut: u32,
    /// Hooks that were asked for and nobody answered yet.
    pub(super) hooks: BTreeSet<(Token, Name)>,
    /// What actions have been asked for, by kind.
    pub(super) asked: BTreeMap<&'static str, u32>,
    /// What is on its way to the engine.
    inbox: Vec<(Timestamp, Event)>,
    /// The agent dies before it acts on a state that is kept, with this chance in percent.
    pub(super) crashes: u64,
    group: AutoscalingGroup,
    /// What the store holds.
    kept: State,
    random: u64,
}

impl World {
    pub(super) fn new(group: AutoscalingGroup, seed: u64) -> Self {
        let engine = Engine::new(group.clone(), seed);
        Self {
            now: at(1_000_000),
            kept: engine.state().clone(),
            engine,
            machines: BTreeMap::new(),
            targets: BTreeMap::new(),
            faults: Faults::default(),
            made: BTreeMap::new(),
            cut: 0,
            hooks: BTreeSet::new(),
            asked: BTreeMap::new(),
            inbox: Vec::new(),
            crashes: 0,
            group,
            random: seed | 1,
        }
    }

    /// Time passes, five seconds at a time.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Runs until nothing is on its way any more; fails the test when that takes more than `limit`.
    pub(super) fn settle(&mut self, limit: Duration) {
        let until = self.now + limit;
        while !self.is_settled() {
            assert!(
                self.now < until,
                "not settled after {limit:?}: {:#?}",
                self.engine.instances().collect::<Vec<_>>()
            );
            self.step();
        }
    }

    /// From now on nothing goes wrong.
    pub(super) fn recover(&mut self) {
        (self.faults, self.crashes) = (Faults::default(), 0);
        for machine in self.machines.values_mut() {
            machine.is_well = true;
        }
    }

    /// A machine is lost, or sickens.
    pub(super) fn break_one(&mut self, which: u64) {
        let ids: Vec<InstanceId> = self.machines.keys().cloned().collect();
        let Some(id) = usize::try_from(which >> 1).ok().and_then(|index| ids.get(index % ids.len().max(1))) else {
            return;
        };
        if which & 1 == 0 {
            // To launch it again with the same token is right when nobody knows that it was there.
            self.made.remove(&self.machines[id].token);
            self.machines.remove(id);
        } else if let Some(machine) = self.machines.get_mut(id) {
            machine.is_well = false;
        }
    }

    fn is_settled(&self) -> bool {
        let serving = self.in_service().count();
        let wanted = usize::try_from(self.engine.desired()).expect("few");
        let all = self.engine.instances().filter(|one| one.lifecycle != Lifecycle::Warmed).count();
        serving == wanted && all == wanted && self.engine.instances().all(|one| one.condemned.is_none())
    }

    pub(super) fn step(&mut self) {
        self.now = self.now + STEP;
        let due = self.inbox.extract_if(.., |(at, _)| *at <= self.now).collect::<Vec<_>>();
        for (_, event) in due {
            self.tell(event);
        }
        self.tell_health();
        self.tell_drains();
        if !self.chance(self.faults.deaf) {
            let instances = self.list();
            self.tell(Event::Listed { asked: self.now, instances });
        }
        self.tell(Event::Tick);
    }

    pub(super) fn tell(&mut self, event: Event) {
        let actions = self.engine.handle(event, self.now);
        self.act(actions);
    }

    pub(super) fn command(&mut self, command: Command) {
        let actions = self.engine.command(command, self.now).expect("not refused");
        self.keep();
        self.act(actions);
    }

    pub(super) fn reconfigure(&mut self, change: impl FnOnce(&mut AutoscalingGroup)) {
        change(&mut self.group);
        let actions = self.engine.reconfigure(self.group.clone(), self.now);
        self.keep();
        self.act(actions);
    }

    /// The agent is killed, and another goes on from what was kept. Answers that were on their way are lost.
    pub(super) fn crash(&mut self) {
        self.inbox.clear();
        let (engine, actions) = Engine::resume(self.group.clone(), self.kept.clone(), self.now);
        self.engine = engine;
        self.keep();
        for action in actions {
            self.carry_out(action);
        }
    }

    pub(super) fn in_service(&self) -> impl Iterator<Item = &Instance> {
        self.engine.instances().filter(|one| one.lifecycle == Lifecycle::InService)
    }

    /// A number below `below` that looks like chance.
    pub(super) fn dice(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.dice(100) < percent
    }

    /// Through the store and back.
    fn keep(&mut self) {
        let kept = serde_json::to_string(self.engine.state()).expect("a state is JSON");
        self.kept = serde_json::from_str(&kept).expect("JSON is a state");
        assert_eq!(&self.kept, self.engine.state());
    }

    fn act(&mut self, actions: Vec<Action>) {
        if !actions.is_empty() {
            self.keep();
        }
        for action in actions {
            if self.crashes > 0 && self.chance(self.crashes) {
                return self.crash();
            }
            self.carry_out(action);
        }
    }

    /// Somebody answers all hooks.
    pub(super) fn answer_hooks(&mut self, result: HookResult) {
        for (token, hook) in std::mem::take(&mut self.hooks) {
            self.tell(Event::HookEnded { token, hook, result });
        }
    }
}
