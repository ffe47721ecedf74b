//! An owner of the state, a runtime, and what can be seen of both.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::double::{Double, Fault};
use crate::agent::handle::{AskError, ReloadError, ReloadReport};
use crate::agent::{Handle, Owner};
use crate::autoscale::engine::Command;
use crate::autoscale::forecast::Minutes;
use crate::autoscale::model::InstanceState;
use crate::autoscale::runtime::{self, Import, Refusal, Runtime, View};
use crate::clock::Clock;
use crate::config;
use crate::control::event::{Health, HealthReport};
use crate::control::{Event, Kept, NextHop, State};
use crate::dataplane::{Memory, Tables};
use crate::metrics::HealthChecks;
use crate::providers::Provider;
use crate::store::Store;

pub(super) const FILE: &str = "agent.interfaces = ['e']\nagent.capacity.slots = 65536\n\
                    [[target_group]]\nname = 'web'\nring_size = 256\nderegistration_delay = '1s'\n\
                    [[autoscaling_group]]\nname = 'web'\nmin = 0\nmax = 4\ndesired = 2\ntarget_groups = ['web']\n\
                    grace_period = '10s'\ntemplate = { provider = 'exec', port = 80, settings.command = ['/bin/launch'] }\n";

/// So long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Scene {
    pub(super) double: Double,
    agent: Handle,
    events: mpsc::Sender<Event>,
    store: Store,
    clock: Clock,
    scaling: runtime::Handle,
    task: JoinHandle<()>,
    directory: TempDir,
}

impl Scene {
    /// With what `more` says in the configuration.
    pub(super) fn begin(more: &str) -> Self {
        Self::new(more, None)
    }

    pub(super) fn begin_with(more: &str, fault: Fault) -> Self {
        Self::new(more, Some(fault))
    }

    fn new(more: &str, fault: Option<Fault>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nlb.toml");
        fs::write(&file, format!("{FILE}{more}")).unwrap();
        let configuration = config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let store = Store::open(&directory.path().join("state")).unwrap();
        let clock = Clock::new();
        let kept = Kept { seed: 1, overlay: store.overlay().unwrap(), drains: store.drains().unwrap() };
        let tables = Tables::default();
        let state = State::new(configuration, kept, &tables, clock.beginning());
        let (owner, inlets) = Owner::begin(state, Memory::new(65536), tables, store.clone(), file, clock).unwrap();
        let (commands, commanded) = mpsc::channel(64);
        let (events, happened) = mpsc::channel(64);
        tokio::spawn(owner.run(happened, commanded));
        let agent = Handle::new(commands, inlets.snapshots);
        let double = Double::new(fault);
        let targets = agent.clone();
        double.watch_targets(move |address| targets.snapshot().target_addresses().contains(&address));
        let (scaling, task) = run(&agent, &store, clock, &double);
        Self { double, agent, events, store, clock, scaling, task, directory }
    }

    /// Ends the runtime as a crash would: what it is at is left as it is.
    pub(super) fn kill(&mut self) {
        self.task.abort();
    }

    /// Another one goes on.
    pub(super) fn resume(&mut self) {
        (self.scaling, self.task) = run(&self.agent, &self.store, self.clock, &self.double);
    }

    pub(super) async fn command(&self, group: &str, command: Command) -> Result<(), AskError<Refusal>> {
        self.scaling.command(group.parse().unwrap(), command).await
    }

    /// The group `web` is to take in a load of so many minutes, of which the last ends now or later.
    pub(super) async fn import(&self, metric: &str, count: u16, later: Duration) -> Result<(), AskError<Refusal>> {
        let first = self.clock.now() + later - Duration::from_secs(60) * count.into();
        let minutes = Minutes { first, values: vec![Some(7.0); count.into()] };
        self.scaling.import("web".parse().unwrap(), Import { metric: metric.parse().unwrap(), minutes }).await
    }

    /// What has to be recorded before anything is forecast for the group `web`.
    pub(super) fn minutes_missing(&self) -> Option<usize> {
        self.view("web")?.forecasts.values().next().map(|outlook| outlook.minutes_missing)
    }

    /// Writes another file and has it read.
    pub(super) async fn reload(&self, file: &str) -> Result<ReloadReport, AskError<ReloadError>> {
        fs::write(self.directory.path().join("nlb.toml"), file).unwrap();
        self.agent.reload().await
    }

    /// The health checks say that of every target.
    pub(super) async fn report(&self, health: Health) {
        let snapshot = self.agent.snapshot();
        for target in snapshot.groups.iter().flat_map(|group| &group.targets) {
            let hop = NextHop {
                interface: 1,
                interface_name: "e".to_owned(),
                source_mac: [2; 6],
                source: [10, 0, 0, 254].into(),
                gateway: None,
                mac: [4; 6],
                mtu: 1500,
            };
            let report = HealthReport { target: target.key.clone(), health, reason: "told".to_owned() };
            for event in [Event::NextHop(target.key.address, Ok(hop)), Event::Health(report)] {
                self.events.send(event).await.unwrap();
            }
        }
    }

    /// The addresses of a target group's targets, also of those that leave.
    pub(super) fn targets(&self, group: &str) -> BTreeSet<IpAddr> {
        let snapshot = self.agent.snapshot();
        let group = snapshot.group(&group.parse().unwrap()).unwrap();
        group.targets.iter().map(|target| target.key.address).collect()
    }

    pub(super) fn leaving(&self, group: &str) -> usize {
        let snapshot = self.agent.snapshot();
        let group = snapshot.group(&group.parse().unwrap()).unwrap();
        group.targets.iter().filter(|target| target.is_leaving()).count()
    }

    pub(super) fn instances(&self, group: &str) -> Vec<String> {
        self.view(group).iter().flat_map(|view| view.engine.instances()).map(|one| one.token.to_string()).collect()
    }

    pub(super) fn in_state(&self, group: &str, state: InstanceState) -> Vec<String> {
        let view = self.view(group);
        let instances = view.iter().flat_map(|view| view.engine.instances());
        instances.filter(|one| one.lifecycle.state() == state).map(|one| one.token.to_string()).collect()
    }

    /// Whether that instance's address is a target.
    pub(super) fn serves(&self, group: &str, token: &str) -> bool {
        let view = self.view(group);
        let mut instances = view.iter().flat_map(|view| view.engine.instances());
        let address = instances.find(|one| one.token.0 == token).and_then(|one| one.address);
        address.is_some_and(|address| self.targets(group).contains(&address))
    }

    pub(super) fn trouble(&self, group: &str) -> Option<String> {
        self.view(group)?.trouble.clone()
    }

    fn view(&self, group: &str) -> Option<Arc<View>> {
        self.scaling.views().get(&group.parse().unwrap()).cloned()
    }

    /// Waits until that is so.
    pub(super) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            let known = || {
                self.scaling
                    .views()
                    .values()
                    .map(|view| view.engine.instances().cloned().collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            };
            assert!(Instant::now() < until, "waited in vain: {what}: {:#?}", known());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn run(agent: &Handle, store: &Store, clock: Clock, double: &Double) -> (runtime::Handle, JoinHandle<()>) {
    let double = double.clone();
    let open = Box::new(move |_: &_| Ok(Arc::new(double.clone()) as Arc<dyn Provider>));
    let (handle, runtime) = Runtime::new(agent.clone(), store.clone(), clock, HealthChecks::default(), open);
    (handle, tokio::spawn(runtime.run()))
}
