//! The world around an engine: machines, targets, and what goes wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::settings::{at, secs};
use crate::autoscale::engine::{Action, Command, Engine, Event};
use crate::autoscale::model::{AutoscalingGroup, HookResult, Instance, InstanceId, Lifecycle, TemplateVersion, Token};
use crate::model::{Name, Timestamp};
use crate::providers::{Launch, Provided, ProvidedState, ProviderError};

/// Time between two lists, and between two ticks.
const STEP: Duration = secs(5);

/// What the provider and the network do wrong. Percentages are of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// A launch or termination is refused.
    pub(super) fails: u64,
    /// An answer never comes, whether the call was carried out or not.
    pub(super) hangs: u64,
    /// A launch is acknowledged, and nothing is launched.
    pub(super) lies: u64,
    /// A list lacks each machine with this chance.
    pub(super) omits: u64,
    /// The list does not come.
    pub(super) deaf: u64,
    /// A new machine never becomes healthy.
    pub(super) lame: u64,
    /// Tokens are not kept.
    pub(super) forgets_tokens: bool,
}

/// A machine of the provider's.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) token: Token,
    pub(super) zone: Option<Name>,
    pub(super) version: TemplateVersion,
    pub(super) runs_from: Timestamp,
    pub(super) is_stopped: bool,
    /// Whether it ever passes a health check.
    pub(super) is_well: bool,
}

/// A target of the load balancer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Serves { healthy: bool },
    Drains { until: Timestamp },
}

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
    random: u64,
}

impl World {
    pub(super) fn new(group: AutoscalingGroup, seed: u64) -> Self {
        Self {
            now: at(1_000_000),
            engine: Engine::new(group.clone(), seed),
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
        self.act(actions);
    }

    pub(super) fn reconfigure(&mut self, change: impl FnOnce(&mut AutoscalingGroup)) {
        change(&mut self.group);
        let actions = self.engine.reconfigure(self.group.clone(), self.now);
        self.act(actions);
    }

    /// The agent is killed, and another goes on from what was kept. Answers that were on their way are lost.
    pub(super) fn crash(&mut self) {
        let kept = serde_json::to_string(self.engine.state()).expect("a state is JSON");
        let kept = serde_json::from_str(&kept).expect("JSON is a state");
        self.inbox.clear();
        let (engine, actions) = Engine::resume(self.group.clone(), kept, self.now);
        self.engine = engine;
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

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            if self.crashes > 0 && self.chance(self.crashes) {
                return self.crash();
            }
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        let (kind, soon) = (kind(&action), self.now + secs(1 + self.random % 9));
        *self.asked.entry(kind).or_default() += 1;
        match action {
            Action::Launch(launch) => self.launch(launch, soon),
            Action::Terminate { token, id } => {
                if self.chance(self.faults.fails) {
                    return self.inbox.push((soon, Event::Terminated { token, result: Err(unavailable()) }));
                }
                let hangs = self.chance(self.faults.hangs);
                if !(hangs && self.chance(50)) {
                    self.cut += u32::from(matches!(self.targets.get(&token), Some(Target::Serves { healthy: true })));
                    self.machines.remove(&id);
                }
                if !hangs {
                    self.inbox.push((soon, Event::Terminated { token, result: Ok(()) }));
                }
            }
            Action::Stop { id, .. } => self.set_stopped(&id, true),
            Action::Start { id, .. } => self.set_stopped(&id, false),
            Action::Register { token, .. } => {
                self.targets.entry(token).or_insert(Target::Serves { healthy: false });
            }
            Action::Deregister { token } => match self.targets.get(&token) {
                Some(Target::Serves { .. }) => {
                    self.targets.insert(token, Target::Drains { until: self.now + secs(30) });
                }
                Some(Target::Drains { .. }) => {}
                None => self.inbox.push((soon, Event::Drained { token })),
            },
            Action::RunHook { token, hook, .. } => {
                self.hooks.insert((token, hook));
            }
        }
    }

    fn launch(&mut self, launch: Launch, soon: Timestamp) {
        let token = launch.token.clone();
        let answer = |result| Event::Launched { token: token.clone(), result };
        if self.chance(self.faults.fails) {
            let error = if self.chance(50) { unavailable() } else { ProviderError::Capacity("full".to_owned()) };
            return self.inbox.push((soon, answer(Err(error))));
        }
        let hangs = self.chance(self.faults.hangs);
        let id = InstanceId(format!("i-{}", token));
        let lies = self.chance(self.faults.lies);
        if !lies && !(hangs && self.chance(50)) && !self.machines.contains_key(&id) {
            *self.made.entry(token.clone()).or_default() += 1;
            let runs_from = self.now + secs(10 + self.dice(20));
            let is_well = !self.chance(self.faults.lame);
            let version = launch.template.version;
            let machine =
                Machine { token: launch.token, zone: launch.zone, version, runs_from, is_stopped: false, is_well };
            self.machines.insert(id.clone(), machine);
        }
        if !hangs {
            self.inbox.push((soon, answer(Ok(id))));
        }
    }

    fn set_stopped(&mut self, id: &InstanceId, is_stopped: bool) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.is_stopped = is_stopped;
        }
    }

    fn list(&mut self) -> Vec<Provided> {
        let machines: Vec<_> = self.machines.iter().map(|(id, machine)| (id.clone(), machine.clone())).collect();
        let mut listed = Vec::new();
        for (id, machine) in machines {
            if self.chance(self.faults.omits) {
                continue;
            }
            let state = match machine.is_stopped {
                true => ProvidedState::Stopped,
                false if self.now >= machine.runs_from => ProvidedState::Running,
                false => ProvidedState::Creating,
            };
            listed.push(Provided {
                id,
                token: (!self.faults.forgets_tokens).then_some(machine.token),
                zone: machine.zone,
                address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
                port: None,
                state,
                launched: None,
            });
        }
        listed
    }

    /// Targets become what their machines are.
    fn tell_health(&mut self) {
        let mut told = Vec::new();
        for (token, target) in &mut self.targets {
            let Target::Serves { healthy } = target else { continue };
            let machine = self.machines.values().find(|machine| &machine.token == token);
            let runs =
                machine.is_some_and(|machine| machine.is_well && !machine.is_stopped && self.now >= machine.runs_from);
            if runs != std::mem::replace(healthy, runs) || !runs {
                told.push((token.clone(), if runs { Ok(()) } else { Err("connection refused".to_owned()) }));
            }
        }
        for (token, health) in told {
            self.tell(Event::Health { token, health });
        }
        // An agent tells all that it knows when it starts.
        let well: Vec<Token> = self
            .targets
            .iter()
            .filter(|(_, target)| **target == Target::Serves { healthy: true })
            .map(|(token, _)| token.clone())
            .collect();
        for token in well {
            self.tell(Event::Health { token, health: Ok(()) });
        }
    }

    fn tell_drains(&mut self) {
        let is_over = |target: &Target| matches!(target, Target::Drains { until } if *until <= self.now);
        let over: Vec<Token> =
            self.targets.iter().filter(|(_, target)| is_over(target)).map(|(token, _)| token.clone()).collect();
        for token in over {
            self.targets.remove(&token);
            self.tell(Event::Drained { token });
        }
    }

    /// Somebody answers all hooks.
    pub(super) fn answer_hooks(&mut self, result: HookResult) {
        for (token, hook) in std::mem::take(&mut self.hooks) {
            self.tell(Event::HookEnded { token, hook, result });
        }
    }
}

fn unavailable() -> ProviderError {
    ProviderError::Unavailable { what: "the call".to_owned(), reason: "out of order".to_owned() }
}

fn kind(action: &Action) -> &'static str {
    match action {
        Action::Launch(_) => "launch",
        Action::Terminate { .. } => "terminate",
        Action::Stop { .. } => "stop",
        Action::Start { .. } => "start",
        Action::Register { .. } => "register",
        Action::Deregister { .. } => "deregister",
        Action::RunHook { .. } => "hook",
    }
}
