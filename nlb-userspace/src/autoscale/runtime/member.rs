//! One group as it runs: its engine, its provider, its targets. What is measured for it is in `measure`.

mod import;
mod measure;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::calls::{Caller, Outcome, Report};
use super::figures::Measured;
use super::foresight::Foresight;
use super::handle::{Outlook, View};
use super::hooks::{Hooks, Order};
use super::outside::{Asker, Outside};
use super::placement::Placement;
use crate::agent;
use crate::agent::handle::AskError;
use crate::autoscale::engine::{Action, Engine, Event, OtherProvider};
use crate::autoscale::model::{AutoscalingGroup, PolicyKind, Predictive};
use crate::clock::Clock;
use crate::control::ChangeError;
use crate::model::{Name, Subject, Timestamp};
use crate::providers::{Provider, ProviderError};
use crate::store::{Store, StoreError};

/// Time between two lists of the provider's.
const LIST: Duration = Duration::from_secs(5);

/// The longest that a provider which fails is left alone.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A change of a target that was refused is asked for again after so long.
const REFUSED_REST: Duration = Duration::from_secs(10);

/// A state is kept at least so often, whether anything is to be done or not.
const KEEP: Duration = Duration::from_secs(60);

/// One thing leads to another: actions to changes of targets, these to news. So often at one go, and on with the next tick.
const ROUNDS: usize = 4;

/// What every group uses.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) agent: agent::Handle,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) asker: Asker,
}

/// A group that runs.
pub(super) struct Member {
    pub(super) engine: Engine,
    caller: Caller,
    placement: Placement,
    hooks: Hooks,
    list: Listing,
    /// Of predictive policies.
    pub(super) foresights: BTreeMap<Name, Foresight>,
    /// What is asked outside.
    outside: Outside,
    /// What was last measured, and when.
    measured: Option<(Timestamp, Arc<Vec<Measured>>)>,
    /// What the engine wants and nobody has done yet.
    pending: Vec<Action>,
    /// Changes of targets that were refused, and when each is asked for again.
    refused: BTreeMap<Subject, Timestamp>,
    /// When the state was last kept; `None` while it can't be.
    kept: Option<Timestamp>,
    /// Why the provider can't be used.
    trouble: Option<String>,
}

/// Why a group is not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotBegun {
    /// Nobody knows what there is of it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What there is of it is another provider's.
    #[error(transparent)]
    Provider(#[from] OtherProvider),
}

/// When the provider is asked for its list.
#[derive(Debug)]
struct Listing {
    due: Timestamp,
    is_under_way: bool,
    failures: u32,
}

impl Member {
    /// The group goes on from what is kept of it, or begins.
    pub(super) fn begin(
        group: AutoscalingGroup,
        provider: Arc<dyn Provider>,
        reports: mpsc::Sender<Report>,
        context: &Context,
    ) -> Result<Self, NotBegun> {
        let now = context.clock.now();
        let name = group.name.clone();
        let (engine, pending) = match context.store.autoscaling(&name)? {
            Some(state) => {
                state.keeps_provider(&group)?;
                Engine::resume(group, state, now)
            }
            // The standard library's hashers are keyed from the system's source of randomness.
            None => (Engine::new(group, RandomState::new().hash_one(&name)), Vec::new()),
        };
        let mut foresights = BTreeMap::new();
        for (policy, rule) in predictive(engine.group()) {
            let history = context.store.history(&name, policy)?;
            // What came last is no longer kept apart: with the next state comes what is new since now.
            context.store.save_histories(&name, &[(policy, &history)])?;
            foresights.insert(policy.clone(), Foresight::new(rule.clone(), history, now));
        }
        Ok(Self {
            foresights,
            engine,
            caller: Caller { group: name, provider, reports },
            placement: Placement::default(),
            hooks: Hooks::default(),
            list: Listing { due: now, is_under_way: false, failures: 0 },
            outside: Outside::default(),
            measured: None,
            pending,
            refused: BTreeMap::new(),
            kept: Some(Timestamp::default()),
            trouble: None,
        })
    }

    /// Another configuration. A provider that can't be had for it leaves the one that there is; one that would know none of the
    /// instances, the group as it is.
    pub(super) fn reconfigure(
        &mut self,
        group: AutoscalingGroup,
        provider: Result<Arc<dyn Provider>, ProviderError>,
        now: Timestamp,
    ) {
        if let Err(error) = self.engine.state().keeps_provider(&group) {
            return self.is_troubled(&error);
        }
        match provider {
            Ok(provider) => self.caller.provider = provider,
            Err(error) => self.is_troubled(&error),
        }
        let policies: BTreeMap<_, _> = predictive(&group).collect();
        self.foresights.retain(|policy, _| policies.contains_key(policy));
        for (policy, rule) in policies {
            let begin = || Foresight::afresh(rule.clone(), now);
            self.foresights.entry(policy.clone()).or_insert_with(begin).follow(rule, now);
        }
        self.pending.extend(self.engine.reconfigure(group, now));
    }

    /// Tells the engine something.
    pub(super) fn tell(&mut self, event: Event, now: Timestamp) {
        self.pending.extend(self.engine.handle(event, now));
    }

    /// Asks the engine for something, and keeps that.
    pub(super) fn command(
        &mut self,
        command: crate::autoscale::engine::Command,
        context: &Context,
    ) -> Result<(), super::Refusal> {
        let now = context.clock.now();
        self.pending.extend(self.engine.command(command, now)?);
        self.keep(&context.store, now);
        match self.kept {
            Some(_) => Ok(()),
            None => Err(super::Refusal::NotKept { reason: "see the agent's log".to_owned() }),
        }
    }

    /// Takes in what a call came to.
    pub(super) fn hear(&mut self, outcome: Outcome, now: Timestamp) {
        match outcome {
            Outcome::Event(event) => {
                match &event {
                    Event::HookEnded { token, hook, .. } => self.hooks.ended(token, hook),
                    Event::Launched { result: Err(error), .. } | Event::Terminated { result: Err(error), .. } => {
                        warn!("autoscaling group {}: {error}", self.caller.group);
                    }
                    // Lists say what became of it.
                    _ => self.list.due = now,
                }
                self.tell(event, now);
            }
            Outcome::List(asked, Ok(instances)) => {
                self.list = Listing { due: now + LIST, is_under_way: false, failures: 0 };
                if self.trouble.take().is_some() {
                    info!("autoscaling group {}: the provider answers again", self.caller.group);
                }
                self.tell(Event::Listed { asked, instances }, now);
            }
            Outcome::List(_, Err(error)) => {
                let failures = self.list.failures.saturating_add(1);
                let rest = LIST.saturating_mul(1 << failures.min(8)).min(LONGEST_REST);
                self.list = Listing { due: now + rest, is_under_way: false, failures };
                self.is_troubled(&error);
            }
            Outcome::Failed(error) => warn!("autoscaling group {}: {error}", self.caller.group),
            Outcome::Done => self.list.due = now,
            Outcome::Outside(answer) => self.outside.answered(answer, self.engine.group().period, now),
            Outcome::Foreseen(policy, done) => {
                if let Some(points) = self.foresights.get_mut(&policy).and_then(|foresight| foresight.done(done)) {
                    self.tell(Event::Forecast { policy, points }, now);
                }
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, context: &Context) {
        let now = context.clock.now();
        match self.kept {
            None => self.recover(&context.store, now),
            Some(kept) if now.since(kept) >= KEEP => self.keep(&context.store, now),
            Some(_) => {}
        }
        if self.list.due <= now && !self.list.is_under_way {
            self.list.is_under_way = true;
            self.caller.list(now);
        }
        for (policy, foresight) in &mut self.foresights {
            if let Some(job) = foresight.job(now) {
                self.caller.foresee(policy.clone(), job);
            }
            if let Some(history) = foresight.due_history(now)
                && let Err(error) = context.store.save_histories(&self.caller.group, &[(policy, history)])
            {
                warn!(
                    "the load that policy `{policy}` of autoscaling group {} goes by is not kept: {error}",
                    self.caller.group
                );
            }
        }
        self.tell(Event::Tick, now);
    }

    /// The active flows of its instances.
    pub(super) fn flows(&mut self, context: &Context, active: &BTreeMap<u32, u64>) {
        let snapshot = context.agent.snapshot();
        let events = self.placement.flows(self.engine.group(), self.engine.instances(), &snapshot, active);
        let now = context.clock.now();
        events.into_iter().for_each(|event| self.tell(event, now));
    }

    /// Does what is to be done, until nothing more follows from it.
    pub(super) async fn settle(&mut self, context: &Context) {
        for _ in 0..ROUNDS {
            if !self.pending.is_empty() {
                self.keep(&context.store, context.clock.now());
            }
            if self.kept.is_none() {
                return;
            }
            let actions = std::mem::take(&mut self.pending);
            actions.into_iter().for_each(|action| self.carry_out(action));
            self.place(context).await;
            let snapshot = context.agent.snapshot();
            let news = self.placement.news(self.engine.group(), self.engine.instances(), &snapshot);
            if news.is_empty() {
                break;
            }
            let now = context.clock.now();
            news.into_iter().for_each(|event| self.tell(event, now));
        }
    }

    /// How it stands.
    pub(super) fn view(&self, now: Timestamp) -> View {
        let outlook = |(policy, foresight): (&Name, &Foresight)| {
            let (rule, foreseen) = (foresight.rule().clone(), foresight.foreseen.clone());
            (policy.clone(), Outlook { rule, foreseen, minutes_missing: foresight.minutes_missing() })
        };
        let forecasts = self.foresights.iter().map(outlook).collect();
        View {
            at: now,
            engine: self.engine.clone(),
            trouble: self.trouble.clone(),
            forecasts,
            measured: self.measured.clone(),
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Launch(launch) => {
                info!("autoscaling group {}: launch {}", self.caller.group, launch.token);
                self.caller.launch(launch);
            }
            Action::Terminate { token, id } => {
                info!("autoscaling group {}: terminate {token}", self.caller.group);
                self.caller.terminate(token, id);
            }
            Action::Stop { token, id } => self.caller.stop(&token, id),
            Action::Start { token, id } => self.caller.start(&token, id),
            // They follow from the instances, see `place`.
            Action::Register { .. } | Action::Deregister { .. } => {}
            Action::RunHook { token, id, hook, at, command } => {
                self.hooks.run(&self.caller.group, Order { token, id, hook, at, command }, &self.caller.reports);
            }
        }
    }

    /// Makes targets of instances, and no longer of others.
    async fn place(&mut self, context: &Context) {
        let now = context.clock.now();
        let snapshot = context.agent.snapshot();
        self.refused.retain(|_, again| *again > now);
        for change in self.placement.changes(self.engine.group(), self.engine.instances(), &snapshot) {
            let subject = change.subject();
            if self.refused.contains_key(&subject) {
                continue;
            }
            match context.agent.change(change).await {
                Ok(_) | Err(AskError::Stopped) => {}
                // The snapshot was an older one.
                Err(AskError::Refused(ChangeError::AlreadyRegistered { .. } | ChangeError::UnknownTarget { .. })) => {}
                Err(AskError::Refused(error)) => {
                    warn!("autoscaling group {}: {error}", self.caller.group);
                    self.refused.insert(subject, now + REFUSED_REST);
                }
            }
        }
    }

    /// Keeps the state. What is to be done waits for that.
    fn keep(&mut self, store: &Store, now: Timestamp) {
        let recent: Vec<_> = self.foresights.iter().map(|(policy, foresight)| (policy, foresight.recent())).collect();
        match store.save_autoscaling(&self.caller.group, self.engine.state(), &recent) {
            Ok(()) => self.kept = Some(now),
            Err(error) => {
                if self.kept.take().is_some() {
                    error!("autoscaling group {} does nothing until its state is kept: {error}", self.caller.group);
                }
                self.pending.clear();
            }
        }
    }

    /// Goes on once the state can be kept again: what was to be done meanwhile is asked for again.
    fn recover(&mut self, store: &Store, now: Timestamp) {
        self.keep(store, now);
        if self.kept.is_some() {
            info!("autoscaling group {}: its state is kept again", self.caller.group);
            let (engine, actions) = Engine::resume(self.engine.group().clone(), self.engine.state().clone(), now);
            (self.engine, self.pending) = (engine, actions);
        }
    }

    fn is_troubled(&mut self, error: &dyn std::error::Error) {
        let trouble = error.to_string();
        if self.trouble.as_ref() != Some(&trouble) {
            warn!("autoscaling group {}: the provider can't be used: {trouble}", self.caller.group);
            self.trouble = Some(trouble);
        }
    }
}

/// The predictive policies of a group.
fn predictive(group: &AutoscalingGroup) -> impl Iterator<Item = (&Name, &Predictive)> {
    group.policies.iter().filter_map(|policy| match &policy.kind {
        PolicyKind::Predictive(rule) => Some((&policy.name, rule)),
        PolicyKind::TargetTracking(_) | PolicyKind::Step(_) | PolicyKind::Simple(_) => None,
    })
}
