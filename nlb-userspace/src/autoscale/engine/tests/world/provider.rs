//! A provider with faults, and what else carries out what the engine wants.

use super::World;
use super::targets::Target;
use crate::autoscale::engine::tests::settings::secs;
use crate::autoscale::engine::{Action, Event};
use crate::autoscale::model::{InstanceId, TemplateVersion, Token};
use crate::model::{Name, Timestamp};
use crate::providers::{Launch, Provided, ProvidedState, ProviderError};

/// What the provider and the network do wrong. Percentages are of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::autoscale::engine::tests) struct Faults {
    /// A launch or termination is refused.
    pub(in crate::autoscale::engine::tests) fails: u64,
    /// An answer never comes, whether the call was carried out or not.
    pub(in crate::autoscale::engine::tests) hangs: u64,
    /// A launch is acknowledged, and nothing is launched.
    pub(in crate::autoscale::engine::tests) lies: u64,
    /// A list lacks each machine with this chance.
    pub(in crate::autoscale::engine::tests) omits: u64,
    /// The list does not come.
    pub(in crate::autoscale::engine::tests) deaf: u64,
    /// A new machine never becomes healthy.
    pub(in crate::autoscale::engine::tests) lame: u64,
    /// Tokens are not kept.
    pub(in crate::autoscale::engine::tests) forgets_tokens: bool,
}

/// A machine of the provider's.
#[derive(Clone, Debug)]
pub(in crate::autoscale::engine::tests) struct Machine {
    pub(in crate::autoscale::engine::tests) token: Token,
    pub(in crate::autoscale::engine::tests) zone: Option<Name>,
    pub(in crate::autoscale::engine::tests) version: TemplateVersion,
    pub(in crate::autoscale::engine::tests) runs_from: Timestamp,
    pub(in crate::autoscale::engine::tests) is_stopped: bool,
    /// Whether it ever passes a health check.
    pub(in crate::autoscale::engine::tests) is_well: bool,
}

impl World {
    pub(super) fn carry_out(&mut self, action: Action) {
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
        let id = InstanceId(format!("i-{token}"));
        let lies = self.chance(self.faults.lies);
        let is_lost = hangs && self.chance(50);
        if !lies && !is_lost && !self.machines.contains_key(&id) {
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

    pub(super) fn list(&mut self) -> Vec<Provided> {
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
