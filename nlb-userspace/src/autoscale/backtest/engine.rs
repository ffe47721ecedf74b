//! The engine itself on a trace: its policies, its life cycle and a provider that needs time to start instances.
//!
//! The very [`Engine`] that the agent runs decides, told what the agent would tell it, by the trace's clock. Its group has a
//! predictive policy, which never scales in, and target tracking, which does.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Map;

use super::{Demand, Run};
use crate::autoscale::engine::{Action, Engine, Event, Gauge};
use crate::autoscale::forecast::Outlook;
use crate::autoscale::model::{
    AutoscalingGroup, Bounds, Cooldowns, InstanceId, InstanceState, LaunchTemplate, MaxCapacityBehavior, Metric,
    Policy, PolicyKind, Predictive, PredictiveMode, ProviderKind, RefreshSettings, ReplacementBounds, Sample, Source,
    Statistic, TargetTracking, TemplateVersion, TerminationOrder,
};
use crate::autoscale::policy::{ForecastPoint, STABILIZATION};
use crate::model::{Name, Timestamp};
use crate::providers::{Launch, Provided, ProvidedState};

/// More instances than any trace should need.
const MOST: u32 = 10_000;

/// Within a minute: more than any step of a trace should need.
const MOST_LAUNCHES: u32 = 1_000;

/// Lets the engine scale by a quantile of the forecast.
pub fn run_engine(demand: &Demand, quantile: f64) -> Run {
    let setting = demand.setting;
    let mut outlook = Outlook::new(setting.bins_per_day(), setting.ahead());
    let first = demand.need.iter().flatten().next().copied().unwrap_or(0).max(1);
    let mut world = World::new(demand, quantile, first);
    let mut run = Run { supply: Vec::with_capacity(demand.bins.len()), billed: Vec::with_capacity(demand.bins.len()) };
    for bin in &demand.bins {
        let (serving, launched) = world.instances();
        run.supply.push(serving);
        run.billed.push(launched);
        world.advance();
        outlook.observe(*bin);
        if let Some(distribution) = outlook.distribution() {
            let at = world.now + setting.bin * u32::try_from(setting.ahead() - 1).unwrap_or(u32::MAX);
            world.foresee(vec![ForecastPoint { at, load: distribution.quantile(quantile) }]);
        }
        if let Some(load) = bin.value {
            world.measure(load / f64::from(serving.max(1)));
        }
    }
    run
}

/// The engine, and what carries out what it wants: all at once, but for the start of instances.
struct World {
    engine: Engine,
    now: Timestamp,
    start: Duration,
    bin: Duration,
    launched: Vec<(Launch, InstanceId, Timestamp)>,
    predictive: Name,
    tracking: Name,
}

impl World {
    fn new(demand: &Demand, quantile: f64, first: u32) -> Self {
        let setting = demand.setting;
        let (predictive, tracking) = (name("predictive"), name("tracking"));
        let kinds = [
            (&predictive, PolicyKind::Predictive(predictive_policy(demand, quantile))),
            (&tracking, PolicyKind::TargetTracking(tracking_policy(setting.capacity))),
        ];
        let policies = kinds.map(|(name, kind)| Policy { name: name.clone(), kind });
        let mut world = Self {
            engine: Engine::new(group(first, policies.into()), 0),
            // Some moment: nothing goes by the calendar here.
            now: Timestamp::from_epoch(Duration::from_secs(1_000_000_000)),
            start: Duration::ZERO,
            bin: setting.bin,
            launched: Vec::new(),
            predictive,
            tracking,
        };
        // The first instances are there when the trace begins.
        world.list();
        world.list();
        world.start = setting.start;
        world
    }

    /// Instances that serve, and all that the provider has.
    fn instances(&self) -> (u32, u32) {
        let serving = self.engine.instances().filter(|it| it.lifecycle.state() == InstanceState::InService);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (count(serving.count()), count(self.launched.len()))
    }

    /// Lets a bin pass: what starts within it is seen when it does.
    fn advance(&mut self) {
        let end = self.now + self.bin;
        let starts = self.launched.iter().map(|(_, _, since)| *since + self.start);
        let mut starts: Vec<_> = starts.filter(|at| self.now < *at && *at < end).collect();
        starts.sort_unstable();
        starts.dedup();
        for at in starts {
            self.now = at;
            self.list();
        }
        self.now = end;
        self.list();
    }

    fn foresee(&mut self, points: Vec<ForecastPoint>) {
        self.tell(Event::Forecast { policy: self.predictive.clone(), points });
    }

    fn measure(&mut self, load_per_instance: f64) {
        let sample = Sample { at: self.now, period: self.bin, value: Ok(load_per_instance) };
        self.tell(Event::Sampled { gauge: Gauge::Policy(self.tracking.clone()), sample });
        self.list();
    }

    /// Shows the engine what the provider runs.
    fn list(&mut self) {
        let instances = self.launched.iter().map(|(launch, id, since)| Provided {
            id: id.clone(),
            token: Some(launch.token.clone()),
            zone: launch.zone.clone(),
            address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            port: None,
            state: if self.now >= *since + self.start { ProvidedState::Running } else { ProvidedState::Creating },
            launched: Some(*since),
        });
        let instances = instances.collect();
        self.tell(Event::Listed { asked: self.now, instances });
    }

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.engine.handle(event, self.now) {
                events.extend(self.carry_out(action));
            }
        }
    }

    /// What comes of an action.
    fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Launch(launch) => {
                let (token, id) = (launch.token.clone(), InstanceId(launch.token.0.clone()));
                if !self.launched.iter().any(|(_, other, _)| *other == id) {
                    self.launched.push((launch, id.clone(), self.now));
                }
                Some(Event::Launched { token, result: Ok(id) })
            }
            Action::Terminate { token, id } => {
                self.launched.retain(|(_, other, _)| *other != id);
                Some(Event::Terminated { token, result: Ok(()) })
            }
            Action::Register { token, .. } => Some(Event::Health { token, health: Ok(()) }),
            Action::Deregister { token } => Some(Event::Drained { token }),
            // The group has neither a warm pool nor hooks.
            Action::Stop { .. } | Action::Start { .. } | Action::RunHook { .. } => None,
        }
    }
}

fn load(statistic: Statistic) -> Metric {
    Metric::Source { source: Source::NewFlows, statistic }
}

fn predictive_policy(demand: &Demand, quantile: f64) -> Predictive {
    let setting = demand.setting;
    Predictive {
        load: load(Statistic::Sum),
        per_instance: setting.capacity,
        mode: PredictiveMode::ForecastAndScale,
        buffer: setting.bin * u32::try_from(setting.ahead() - 1).unwrap_or(u32::MAX),
        quantile,
        resolution: setting.bin,
        max_capacity: MaxCapacityBehavior::Honor,
    }
}

/// At a full instance: what the forecast wants is always more, so that this one only lets go what it doesn't want.
fn tracking_policy(capacity: f64) -> TargetTracking {
    TargetTracking {
        metric: load(Statistic::Mean),
        target: capacity,
        out_periods: 1,
        in_periods: 1,
        tolerance: 0.0,
        disable_scale_in: false,
        cooldowns: Cooldowns::default(),
    }
}

fn group(first: u32, policies: Vec<Policy>) -> AutoscalingGroup {
    let name = name("backtest");
    AutoscalingGroup {
        name: name.clone(),
        bounds: Bounds { min: 1, max: MOST },
        desired: Some(first),
        target_groups: vec![name.clone()],
        zones: Vec::new(),
        template: LaunchTemplate {
            version: TemplateVersion { name, version: 1 },
            provider: ProviderKind::Process,
            port: 80,
            settings: Map::new(),
        },
        // Health comes at once, but not before the engine has asked for it.
        grace_period: Duration::from_secs(300),
        warmup: Duration::ZERO,
        default_cooldown: Duration::ZERO,
        period: Duration::from_secs(60),
        node_exporter_port: 9100,
        stabilization: STABILIZATION,
        max_lifetime: None,
        protect_new: false,
        termination: TerminationOrder::Newest,
        replacement: ReplacementBounds::default(),
        launches_per_minute: NonZeroU32::new(MOST_LAUNCHES).unwrap_or(NonZeroU32::MIN),
        warm_pool: None,
        hooks: Vec::new(),
        policies,
        schedules: Vec::new(),
        refresh: RefreshSettings::default(),
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("letters make a name")
}

#[cfg(test)]
mod tests {
    use super::super::generate::Kind;
    use super::super::rules::Predictive as Rule;
    use super::super::{Setting, run};
    use super::*;

    #[test]
    fn the_engine_decides_as_the_rule_that_is_swept_does() {
        let trace = Kind::Weekly.trace(3, 3).expect("a made load");
        for start in [0, 600] {
            let setting =
                Setting { start: Duration::from_secs(start), bin: Duration::from_secs(600), ..Setting::usual(&trace) };
            let demand = Demand::new(&trace, setting);
            let engine = run_engine(&demand, 0.9).measures(&demand, 72);
            let rule = run(&demand, &mut Rule::new(setting, 0.9)).measures(&demand, 72);
            let apart = (engine.instance_hours / rule.instance_hours - 1.0).abs();
            assert!(apart < 0.03, "start {start} s: {engine:?}, and the rule {rule:?}");
            assert!(
                (engine.time_under - rule.time_under).abs() < 0.03,
                "start {start} s: {engine:?}, and the rule {rule:?}"
            );
        }
    }
}
