//! A stand-in for the task that drives autoscaling groups: one group's engine, whose instances run at once, and which is not
//! told any time. One load is forecast by it, of which a day is recorded.

use std::sync::Arc;

use nlb_userspace::autoscale::engine::{Action, Engine, Event};
use nlb_userspace::autoscale::model::{InstanceId, PolicyKind};
use nlb_userspace::autoscale::runtime::{Asked, Handle, Import, Outlook, Refusal, View, Views, Wanted};
use nlb_userspace::config;
use nlb_userspace::model::{Name, Timestamp};
use nlb_userspace::providers::{Provided, ProvidedState};
use tokio::sync::{mpsc, watch};

use crate::sample;

/// A group that has a hook at launch: its instances wait for it.
const CONFIGURATION: &str = r#"
agent.interfaces = ["eth0"]
[[target_group]]
name = "web"
[[autoscaling_group]]
name = "shop"
min = 1
max = 4
desired = 2
target_groups = ["web"]
[autoscaling_group.template]
provider = "exec"
port = 80
settings = { command = ["/usr/local/bin/shop"] }
[[autoscaling_group.hook]]
name = "ready"
at = "launch"
[[autoscaling_group.target_tracking]]
name = "flows"
metric = "new_flows"
target = 50
[[autoscaling_group.predictive_scaling]]
name = "ahead"
metric = "sum(new_flows)"
per_instance = 50
"#;

/// What is forecast.
pub(crate) const LOAD: &str = "sum(new_flows)";

fn now() -> Timestamp {
    Timestamp::from_epoch(sample::NOW)
}

/// The group with two instances.
pub(crate) fn engine() -> Engine {
    let configuration = config::parse(CONFIGURATION, "sample.toml").unwrap_or_else(|error| panic!("{error}"));
    let mut engine = Engine::new(configuration.autoscaling_groups[0].clone(), 1);
    let launches = engine.handle(Event::Listed { asked: now(), instances: Vec::new() }, now());
    let mut instances = Vec::new();
    for (action, last) in launches.into_iter().zip(7..) {
        let Action::Launch(launch) = action else { panic!("{action:?}") };
        let id = InstanceId(format!("i-{last}"));
        engine.handle(Event::Launched { token: launch.token.clone(), result: Ok(id.clone()) }, now());
        instances.push(Provided {
            id,
            token: Some(launch.token),
            zone: None,
            address: Some([10, 0, 0, last].into()),
            port: None,
            state: ProvidedState::Running,
            launched: None,
        });
    }
    engine.handle(Event::Listed { asked: now(), instances }, now());
    engine
}

pub(crate) fn view(engine: &Engine) -> View {
    let policies = engine.group().policies.iter().filter_map(|policy| match &policy.kind {
        PolicyKind::Predictive(rule) => Some((policy.name.clone(), rule.clone())),
        _ => None,
    });
    let outlook = |rule| Outlook { rule, foreseen: None, minutes_missing: 0 };
    let forecasts = policies.map(|(policy, rule)| (policy, outlook(rule))).collect();
    View { at: now(), engine: engine.clone(), trouble: None, forecasts, measured: None }
}

/// What the stand-in says to an import, as the task does.
fn imported(group: Name, import: &Import) -> Result<(), Refusal> {
    if import.metric.to_string() != LOAD {
        let (metric, known) = (import.metric.to_string(), vec![format!("`{LOAD}`")]);
        return Err(Refusal::UnknownLoad { group, metric, known });
    }
    let end = import.minutes.end();
    if end > now() { Err(Refusal::NotOver { end }) } else { Ok(()) }
}

/// The stand-in.
pub(crate) fn start() -> Handle {
    let (commands, mut asked) = mpsc::channel(8);
    let mut engine = engine();
    let views = |engine: &Engine| -> Arc<Views> {
        let name = engine.group().name.clone();
        Arc::new([(name, Arc::new(view(engine)))].into())
    };
    let (shown, seen) = watch::channel(views(&engine));
    tokio::spawn(async move {
        while let Some(Asked { group, wanted, reply }) = asked.recv().await {
            let answer = match wanted {
                _ if group != engine.group().name => Err(Refusal::UnknownGroup { group, known: Vec::new() }),
                Wanted::Command(command) => engine.command(command, now()).map(drop).map_err(Refusal::from),
                Wanted::Import(import) => imported(group, &import),
            };
            shown.send_replace(views(&engine));
            let _sent = reply.send(answer);
        }
    });
    Handle::new(commands, seen)
}
