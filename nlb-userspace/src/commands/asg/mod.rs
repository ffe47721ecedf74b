//! `nlb asg`: autoscaling groups.

mod backtest;
mod chart;
mod explain;
mod forecast;
mod import;
mod list;
mod measured;
mod show;

use super::CommandError;
use super::output::Output;
use crate::api::client::Client;
use crate::api::dto::{CompleteHook, Moment, StartRefresh};
use crate::args::{AsgQuestion, Hook, Refresh};

pub(super) use backtest::run as backtest;
pub use backtest::text as backtest_text;
pub use chart::lines as supply_chart;

/// The texts that these commands show, for tests.
pub mod text {
    pub use super::explain::{activities, explanation};
    pub use super::forecast::forecast;
    pub use super::import::text as imported;
    pub use super::list::list;
    pub use super::show::{detail, refresh};
}

/// What asks the agent.
pub(super) async fn ask(client: &Client, output: &Output, question: AsgQuestion) -> Result<(), CommandError> {
    let now = Moment::now;
    let group = match question {
        AsgQuestion::List => {
            let groups = client.autoscaling_groups().await?;
            return output.show(&groups, |groups, style| text::list(groups, style));
        }
        AsgQuestion::Activity { group, last } => {
            let mut activities = client.activities(&group).await?;
            activities.truncate(last);
            return output.show(&activities, |activities, style| text::activities(activities, now(), style));
        }
        AsgQuestion::Explain { group } => {
            let explanation = client.explain_group(&group).await?;
            return output.show(&explanation, |explanation, style| text::explanation(explanation, now(), style));
        }
        AsgQuestion::Forecast { group } => {
            let forecasts = client.forecasts(&group).await?;
            return output.show(&forecasts, |forecasts, style| text::forecast(forecasts, now(), style));
        }
        AsgQuestion::Import(arguments) => return import::import(client, output, arguments).await,
        AsgQuestion::Refresh(command) => return refresh(client, output, command).await,
        AsgQuestion::Show { group } => client.autoscaling_group(&group).await?,
        AsgQuestion::SetDesired { group, desired } => client.set_desired(&group, desired).await?,
        AsgQuestion::Suspend { group, process } => client.suspend(&group, process, true).await?,
        AsgQuestion::Resume { group, process } => client.suspend(&group, process, false).await?,
        AsgQuestion::Protect { group, instance, off } => client.protect(&group, &instance, !off).await?,
        AsgQuestion::Terminate { group, instance, decrement } => client.terminate(&group, &instance, decrement).await?,
        AsgQuestion::Hook(Hook::Complete { group, instance, hook, result }) => {
            client.complete_hook(&group, &instance, &hook, CompleteHook { result: result.into() }).await?
        }
        AsgQuestion::Hook(Hook::Heartbeat { group, instance, hook }) => {
            client.heartbeat(&group, &instance, &hook).await?
        }
    };
    output.show(&group, |group, style| text::detail(group, now(), style))
}

async fn refresh(client: &Client, output: &Output, command: Refresh) -> Result<(), CommandError> {
    let group = match command {
        Refresh::Start(start) => {
            let settings = StartRefresh {
                min_healthy: start.min_healthy,
                max_healthy: start.max_healthy,
                skip_matching: start.skip_matching.then_some(true),
                auto_rollback: start.auto_rollback.then_some(true),
            };
            client.start_refresh(&start.group, settings).await?
        }
        Refresh::Status { group } => client.autoscaling_group(&group).await?,
        Refresh::Cancel { group } => client.cancel_refresh(&group).await?,
        Refresh::Rollback { group } => client.roll_back_refresh(&group).await?,
    };
    let none = || CommandError::failed("there was no refresh", "begin one: `nlb asg refresh start GROUP`");
    let shown = group.refresh.ok_or_else(none)?;
    output.show(&shown, |shown, style| text::refresh(shown, Moment::now(), style))
}
