//! The task that owns the engines: its loop, the groups that there are, and the figures that they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{error, warn};

use super::calls::Report;
use super::handle::{Asked, Handle, Refusal, Views, Wanted};
use super::member::{Context, Member};
use super::meter::{Meter, TURN};
use super::outside::Asker;
use crate::agent;
use crate::autoscale::model::{AutoscalingGroup, LaunchTemplate};
use crate::clock::Clock;
use crate::metrics::HealthChecks;
use crate::model::{Configuration, Name, Timestamp};
use crate::providers::{Provider, ProviderError};
use crate::store::Store;

/// Time between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// Commands and reports that wait.
const WAITING: usize = 1_024;

/// What gives the provider that a template asks for.
pub type Opener = Box<dyn Fn(&LaunchTemplate) -> Result<Arc<dyn Provider>, ProviderError> + Send + Sync>;

/// The task, before it runs.
pub struct Runtime {
    context: Context,
    open: Opener,
    members: BTreeMap<Name, Member>,
    /// The configuration that the groups are as.
    configuration: Option<Arc<Configuration>>,
    meter: Meter,
    /// When counters are read next, and how often they were.
    reading: (Timestamp, u64),
    /// How long health checks take.
    checks: HealthChecks,
    commands: mpsc::Receiver<Asked>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    views: watch::Sender<Arc<Views>>,
}

impl Runtime {
    /// A task for the groups of `agent`'s configuration, which are kept in `store`; `open` gives their providers.
    pub fn new(agent: agent::Handle, store: Store, clock: Clock, checks: HealthChecks, open: Opener) -> (Handle, Self) {
        let (commands, commanded) = mpsc::channel(WAITING);
        let (views, seen) = watch::channel(Arc::default());
        let runtime = Self {
            reading: (clock.now(), 0),
            checks,
            context: Context { agent, store, clock, asker: Asker::default() },
            open,
            members: BTreeMap::new(),
            configuration: None,
            meter: Meter::default(),
            commands: commanded,
            reports: mpsc::channel(WAITING),
            views,
        };
        (Handle::new(commands, seen), runtime)
    }

    /// Runs until the agent ends. Instances stay.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut agent = self.context.agent.clone();
        loop {
            tokio::select! {
                changed = agent.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.look().await;
                }
                Some(asked) = self.commands.recv() => self.obey(asked).await,
                Some(report) = self.reports.1.recv() => self.hear(report).await,
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    /// The state of targets, or the configuration, is another.
    async fn look(&mut self) {
        self.configure();
        self.settle_all().await;
    }

    async fn tick(&mut self) {
        self.configure();
        if self.reading.0 <= self.context.clock.now() {
            self.read().await;
        }
        for member in self.members.values_mut() {
            member.tick(&self.context);
            member.tell_awaited(&self.meter, &self.context);
        }
        self.settle_all().await;
    }

    async fn hear(&mut self, report: Report) {
        let Some(member) = self.members.get_mut(&report.group) else { return };
        member.hear(report.outcome, self.context.clock.now());
        member.tell_awaited(&self.meter, &self.context);
        self.settle(&report.group).await;
    }

    async fn obey(&mut self, asked: Asked) {
        let Asked { group, wanted, reply } = asked;
        let answer = match self.members.get_mut(&group) {
            Some(member) => match wanted {
                Wanted::Command(command) => member.command(command, &self.context),
                Wanted::Import(import) => member.import(&import, &self.context),
            },
            None => {
                let known = self.members.keys().map(ToString::to_string).collect();
                Err(Refusal::UnknownGroup { group: group.clone(), known })
            }
        };
        self.settle(&group).await;
        // An asker that went away is nobody's error.
        drop(reply.send(answer));
    }

    async fn settle_all(&mut self) {
        let names: Vec<Name> = self.members.keys().cloned().collect();
        for name in names {
            self.settle(&name).await;
        }
    }

    async fn settle(&mut self, name: &Name) {
        let Some(member) = self.members.get_mut(name) else { return };
        member.settle(&self.context).await;
        let view = Arc::new(member.view(self.context.clock.now()));
        self.views.send_modify(|views| {
            Arc::make_mut(views).insert(name.clone(), view);
        });
    }

    /// Makes the groups those of the configuration in force.
    fn configure(&mut self) {
        let configuration = Arc::clone(&self.context.agent.snapshot().configuration);
        if self.configuration.as_ref().is_some_and(|known| Arc::ptr_eq(known, &configuration)) {
            return;
        }
        let groups = &configuration.autoscaling_groups;
        let left = |name: &Name| groups.iter().all(|group| &group.name != name);
        for (name, member) in self.members.extract_if(.., |name, _| left(name)) {
            let instances = member.engine.instances().count();
            warn!("autoscaling group {name} is no longer configured: its {instances} instances stay as they are");
            self.views.send_modify(|views| {
                Arc::make_mut(views).remove(&name);
            });
        }
        groups.iter().for_each(|group| self.take(group));
        self.configuration = Some(configuration);
    }

    /// Begins a group, or changes it.
    fn take(&mut self, group: &AutoscalingGroup) {
        let now = self.context.clock.now();
        if let Some(member) = self.members.get_mut(&group.name) {
            if member.engine.group() != group {
                member.reconfigure(group.clone(), (self.open)(&group.template), now);
            }
            return;
        }
        let provider = match (self.open)(&group.template) {
            Ok(provider) => provider,
            Err(error) => return error!("autoscaling group {} is not run: {error}", group.name),
        };
        match Member::begin(group.clone(), provider, self.reports.0.clone(), &self.context) {
            Ok(member) => {
                self.members.insert(group.name.clone(), member);
            }
            Err(error) => error!("autoscaling group {} is not run: {error}", group.name),
        }
    }

    /// Reads the counters, and tells the figures that are due.
    async fn read(&mut self) {
        let now = self.context.clock.now();
        let turn = self.reading.1 + 1;
        self.reading = (self.reading.0.max(now - TURN) + TURN, turn);
        if self.members.is_empty() {
            return;
        }
        match self.context.agent.counters().await {
            Ok(reading) => {
                let snapshot = self.context.agent.snapshot();
                self.meter.read(&snapshot, &reading, &self.checks.latencies(&snapshot), now);
                self.members.values_mut().for_each(|member| member.flows(&self.context, &reading.active.targets));
            }
            Err(error) => {
                warn!("the counters can't be read: {error}");
                self.meter.miss();
            }
        }
        for member in self.members.values_mut() {
            member.record(&self.meter, &self.context);
            if turn.is_multiple_of(member.engine.group().period.as_secs() / TURN.as_secs()) {
                member.end_period(&self.meter, &self.context);
            }
        }
    }
}
