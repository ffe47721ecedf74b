//! `[[autoscaling_group.hook]]` and `[autoscaling_group.warm_pool]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{CAPACITY, Named};
use crate::autoscale::model::{Hook, HookResult, ProviderKind, Transition, WarmPool, WarmState};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::config::sections::{name, within};

const HEARTBEAT: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(7200);

/// Reads one `[[autoscaling_group.hook]]`.
pub(super) fn hook(table: &Table<'_>) -> Named<Hook> {
    let name = table.require("name").and_then(name);
    let moments = [("launch", Transition::Launch), ("terminate", Transition::Terminate)];
    let at = table.require("at").and_then(|value| value.one_of(&moments));
    let heartbeat = table.optional("heartbeat", |value| within(&value, HEARTBEAT));
    let results = [("abandon", HookResult::Abandon), ("continue", HookResult::Continue)];
    let default_result = table.optional("default_result", |value| value.one_of(&results));
    let command = table.optional("command", command);
    let read = || {
        Ok(Hook {
            name: name.clone()?.into_inner(),
            at: at?,
            heartbeat: heartbeat?.unwrap_or(Duration::from_secs(3600)),
            default_result: default_result?.unwrap_or_default(),
            command: command?.unwrap_or_default(),
        })
    };
    Named { read: read(), name }
}

/// Program and arguments.
#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
fn command(value: Value<'_>) -> Result<Vec<String>, Reported> {
    let words: Vec<_> = value.list()?.iter().map(|word| word.text().map(str::to_owned)).collect();
    let words: Vec<String> = words.into_iter().collect::<Result<_, _>>()?;
    match words.first() {
        Some(program) if !program.starts_with('/') => {
            let complaint = Complaint::new(format!("begins with no absolute path: {program:?}"));
            Err(value.wrong(complaint.help("write program and arguments: [\"/usr/local/bin/ready\", \"--now\"]")))
        }
        _ => Ok(words),
    }
}

/// Reads `[autoscaling_group.warm_pool]` of a group whose instances are of `provider`, if that is known.
pub(super) fn warm_pool(table: &Table<'_>, provider: Option<ProviderKind>) -> Result<WarmPool, Reported> {
    let prepared = table.optional("prepared", |value| value.integer(CAPACITY));
    let min = table.optional("min", |value| value.integer(CAPACITY));
    let states = [("stopped", WarmState::Stopped), ("running", WarmState::Running)];
    let state = table.optional("state", |value| value.one_of(&states));
    let reuse_on_scale_in = table.optional("reuse_on_scale_in", |value| value.boolean());
    let state = state?.unwrap_or_default();
    if let Some(provider) = provider.filter(|provider| state == WarmState::Stopped && !provider.stops()) {
        let message = format!("instances of `{}` can't be stopped for a warm pool", provider.as_str());
        return Err(table.wrong(Complaint::new(message).help("set `state = \"running\"`")));
    }
    Ok(WarmPool {
        prepared: prepared?,
        min: min?.unwrap_or_default(),
        state,
        reuse_on_scale_in: reuse_on_scale_in?.unwrap_or_default(),
    })
}
