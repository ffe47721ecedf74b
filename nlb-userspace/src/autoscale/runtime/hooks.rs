//! Commands of lifecycle hooks: run once for each wait, with what the instance is in their environment.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::calls::{Outcome, Report};
use crate::autoscale::engine::Event;
use crate::autoscale::model::{HookResult, InstanceId, Token, Transition};
use crate::model::Name;

/// The hooks of a group that run.
#[derive(Debug, Default)]
pub(super) struct Hooks(BTreeSet<(Token, Name)>);

/// What a hook's command is to know.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) token: Token,
    pub(super) id: Option<InstanceId>,
    pub(super) hook: Name,
    pub(super) at: Transition,
    pub(super) command: Vec<String>,
}

impl Hooks {
    /// Runs a hook's command, unless it runs already. One without a command waits for somebody who knows what it is about.
    pub(super) fn run(&mut self, group: &Name, order: Order, reports: &mpsc::Sender<Report>) {
        let Order { token, id, hook, at, command } = order;
        let Some((program, words)) = command.split_first() else {
            info!("instance {token} waits for hook `{hook}`: `nlb asg hook complete {group} {token} {hook} RESULT`");
            return;
        };
        if !self.0.insert((token.clone(), hook.clone())) {
            return;
        }
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        command.env("NLB_GROUP", group.as_str()).env("NLB_INSTANCE", &token.0).env("NLB_HOOK", hook.as_str());
        command.env("NLB_INSTANCE_ID", id.map_or(String::new(), |id| id.0));
        command.env(
            "NLB_TRANSITION",
            match at {
                Transition::Launch => "launch",
                Transition::Terminate => "terminate",
            },
        );
        let (group, reports, program) = (group.clone(), reports.clone(), program.clone());
        tokio::spawn(async move {
            let result = match command.status().await {
                Ok(status) if status.success() => HookResult::Continue,
                Ok(status) => {
                    warn!("hook `{hook}` of instance {token} ended with {status}");
                    HookResult::Abandon
                }
                Err(error) => {
                    warn!("hook `{hook}` of instance {token}: {program} can't be run: {error}");
                    HookResult::Abandon
                }
            };
            drop(
                reports.send(Report { group, outcome: Outcome::Event(Event::HookEnded { token, hook, result }) }).await,
            );
        });
    }

    /// A hook's command is over.
    pub(super) fn ended(&mut self, token: &Token, hook: &Name) {
        self.0.remove(&(token.clone(), hook.clone()));
    }
}
