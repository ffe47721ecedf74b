//! `nlb asg import`: a load that others recorded becomes a group's history, so that its forecasts begin with a past.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::CommandError;
use super::super::output::Output;
use super::super::render::{Style, age, count};
use super::backtest::read;
use crate::api::client::Client;
use crate::api::dto::{ImportHistory, ImportReport};
use crate::args::Import;
use crate::autoscale::backtest::Trace;
use crate::autoscale::forecast::History;
use crate::autoscale::model::Metric;
use crate::health::Prober;
use crate::model::{HttpUrl, Name, PrometheusServer, Timestamp};
use crate::scrape::{Prometheus, Span};

/// How long a server may take to answer for a part of the time.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads a recorded load, whole, and has the agent take it in, whole.
pub(super) async fn import(client: &Client, output: &Output, import: Import) -> Result<(), CommandError> {
    let metric = metric(client, &import.group, import.metric.as_ref()).await?;
    let trace = match (&import.csv, &import.prometheus) {
        (Some(file), _) => read(file)?,
        (None, Some(url)) => fetch(url, &import).await?,
        (None, None) => return Err(CommandError::Usage("give --csv or --prometheus".to_owned())),
    };
    let now = Timestamp::from_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let minutes = trace.minutes(now - History::REACH, now);
    let known = minutes.values.iter().flatten().count();
    if known == 0 {
        return Err(CommandError::failed(
            format!("none of the {} points lies within the {} before now", trace.point_count(), age(History::REACH)),
            "older load is not kept: see the times of the file, or --from and --to",
        ));
    }
    eprintln!(
        "{} points read, {} minutes of the last {}",
        trace.point_count(),
        count(known as u64),
        age(History::REACH)
    );
    let body = ImportHistory { metric, first: minutes.first.into(), minutes: minutes.values };
    let report = client.import_history(&import.group, &body).await?;
    output.show(&report, text)
}

/// What was imported, for people.
pub fn text(report: &ImportReport, _: Style) -> String {
    let ImportReport { metric, policies, minutes, minutes_missing } = report;
    let policies = policies.join(", ");
    let next = match minutes_missing {
        0 => "they forecast by it within a few minutes: `nlb asg forecast`".to_owned(),
        missing => format!("nothing is forecast before {missing} more minutes are recorded"),
    };
    format!("{} minutes of {metric} are now history of {policies}; {next}\n", count(*minutes as u64))
}

/// The load that is meant: one of predictive policies.
async fn metric(client: &Client, group: &Name, asked: Option<&Metric>) -> Result<String, CommandError> {
    if let Some(metric) = asked {
        return Ok(metric.to_string());
    }
    let mut loads: Vec<_> = client.forecasts(group).await?.into_iter().map(|forecast| forecast.load).collect();
    loads.sort();
    loads.dedup();
    match loads.as_slice() {
        [load] => Ok(load.clone()),
        [] => Err(CommandError::failed(
            format!("group {group} has no predictive policy, and no use for a past"),
            "add `[[autoscaling_group.predictive_scaling]]` to the configuration and reload",
        )),
        several => {
            let several = several.iter().map(|load| format!("--metric '{load}'")).collect::<Vec<_>>().join(" or ");
            Err(CommandError::Usage(format!("group {group} forecasts several loads: give {several}")))
        }
    }
}

/// What a Prometheus server recorded, by the minute.
async fn fetch(url: &HttpUrl, import: &Import) -> Result<Trace, CommandError> {
    let server = PrometheusServer { url: url.clone(), timeout: LIMIT, verify: !import.insecure };
    let prober = Prober::new();
    let prometheus = Prometheus { server: &server, prober: &prober };
    let query = import.query.as_deref().unwrap_or_default();
    let minute = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60 * 60;
    let parts = Span { from: minute(import.from), to: minute(import.to), step: 60 }.parts();
    let (all, mut points) = (parts.len(), Vec::new());
    for (index, part) in parts.enumerate() {
        let fetched = prometheus.range(query, part, LIMIT).await.map_err(|error| {
            CommandError::failed(
                format!("{url}: {error}"),
                "try the query in Prometheus' own page, or as `promtool query range`",
            )
        })?;
        points.extend(fetched);
        eprintln!("part {} of {all}: {} points so far", index + 1, points.len());
    }
    Trace::of(points).map_err(|error| {
        CommandError::failed(format!("{url}: {error}"), "did it record the series between --from and --to?")
    })
}
