//! The autoscaling engine's forecasts and what they save, by back-tests over recorded and made loads.
//!
//! Nothing is measured twice: a back-test is a pure function of its trace, but for the time that it takes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nlb_userspace::autoscale::backtest::generate::Kind;
use nlb_userspace::autoscale::backtest::rules::Predictive;
use nlb_userspace::autoscale::backtest::{Demand, Setting, Trace, accuracy, run as replay, sweep, warmup};

use crate::Settings;
use crate::figure::Goal;
use crate::report::Report;

const HOUR: Duration = Duration::from_secs(3_600);

/// What a load should reach, by a part of its name; those that aren't named here only should not do worse than without us.
struct Goals {
    name: &'static str,
    hour_ahead: f64,
    day_ahead: f64,
    time_under: f64,
    hours: f64,
}

const GOALS: [Goals; 2] = [
    Goals { name: "elb", hour_ahead: 0.72, day_ahead: 0.9, time_under: 0.45, hours: 0.85 },
    Goals { name: "nasa", hour_ahead: 0.44, day_ahead: 0.9, time_under: 0.33, hours: 0.85 },
];

pub(crate) fn run(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    for (name, trace) in recorded(settings.traces)? {
        let goals = GOALS.iter().find(|goals| name.contains(goals.name));
        forecasts(report, &name, &trace, goals);
        savings(report, &name, &[trace], goals)?;
    }
    let (days, seeds) = if settings.quick { (16, 1) } else { (35, 5) };
    for kind in Kind::ALL {
        // What is rare in a load is a matter of chance: the median of several.
        let traces: Result<Vec<_>, _> = (1..=seeds).map(|seed| kind.trace(days, seed)).collect();
        savings(report, kind.name(), &traces.context("a made load")?, None)?;
    }
    one_burst(report)?;
    year(settings, report)
}

/// The recorded loads of a folder: every file `NAME.csv`.
fn recorded(folder: Option<&Path>) -> Result<Vec<(String, Trace)>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let mut traces = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read the folder {}", folder.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|end| end == "csv")) else {
            continue;
        };
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let trace = Trace::parse(&text).with_context(|| format!("{} is no trace", path.display()))?;
        traces.push((name.to_string_lossy().into_owned(), trace));
    }
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(traces)
}

fn forecasts(report: &mut Report, name: &str, trace: &Trace, goals: Option<&Goals>) {
    for (ahead, words) in [(1, "1 h ahead"), (24, "24 h ahead")] {
        let Some(accuracy) = accuracy(trace, HOUR, ahead, warmup(trace)) else { continue };
        let bound = goals.map(|goals| if ahead == 1 { goals.hour_ahead } else { goals.day_ahead });
        let row = |what: &str| format!("{name}, {words}, {what}");
        let (error, ratio) = (row("error over seasonal naive's"), [accuracy.ratio()]);
        match bound {
            Some(bound) => report.with_goal(&error, "ratio", &ratio, Goal::AtMost(bound)),
            None => report.figure(&error, "ratio", &ratio),
        }
        let held = accuracy.coverage * 100.0;
        report.with_goal(&row("held by the 90 % interval"), "%", &[held], Goal::AtLeast(85.0));
        let missed = 100.0 - held;
        report.with_goal(&row("not held by the 90 % interval"), "%", &[missed], Goal::AtLeast(5.0));
    }
}

fn savings(report: &mut Report, name: &str, traces: &[Trace], goals: Option<&Goals>) -> Result<()> {
    let mut equal_hours = Vec::new();
    let mut equal_time = Vec::new();
    for trace in traces {
        let setting = Setting::usual(trace);
        let first = usize::try_from(warmup(trace).as_secs() / setting.bin.as_secs())?;
        let swept = sweep(&Demand::new(trace, setting), first);
        // Where the HPA is never under there is nothing to compare, and both are as good as can be.
        equal_hours.extend(swept.time_under_ratio());
        equal_time.extend(swept.hours_ratio(0.01));
    }
    let bound = |goal: fn(&Goals) -> f64| Goal::AtMost(goals.map_or(1.0, goal));
    let row = |what: &str| format!("{name}, {what}");
    let time_under = bound(|goals| goals.time_under);
    report.with_goal(&row("time under over HPA's at HPA-70's hours"), "ratio", &equal_hours, time_under);
    let hours = bound(|goals| goals.hours);
    report.with_goal(&row("hours over HPA's at 1 % of time under"), "ratio", &equal_time, hours);
    Ok(())
}

/// A calm load with one burst: supply goes up once and down once.
fn one_burst(report: &mut Report) -> Result<()> {
    let minutes = (0..7 * 1_440_u32).map(|minute| {
        let burst = if (8_000..8_010).contains(&minute) { 40.0 } else { 0.0 };
        (f64::from(minute) * 60.0, 10.0 + burst + f64::from(minute % 3))
    });
    let trace = Trace::of(minutes.collect())?;
    let demand = Demand::new(&trace, Setting { capacity: 2.0, ..Setting::usual(&trace) });
    let flaps = replay(&demand, &mut Predictive::new(demand.setting, 0.9)).measures(&demand, 288).flaps;
    report.with_goal(
        "one burst, falls that a rise follows in ten minutes",
        "flaps",
        &[f64::from(flaps)],
        Goal::AtMost(0.0),
    );
    Ok(())
}

fn year(settings: Settings<'_>, report: &mut Report) -> Result<()> {
    let days = if settings.quick { 30 } else { 365 };
    let trace = Kind::Weekly.trace(days, 1).context("a made year")?;
    let samples: Vec<f64> = (0..settings.runs.min(3))
        .map(|_| {
            let began = Instant::now();
            let demand = Demand::new(&trace, Setting::usual(&trace));
            replay(&demand, &mut Predictive::new(demand.setting, 0.9));
            began.elapsed().as_secs_f64()
        })
        .collect();
    report.with_goal("a year of minutes, back-test", "s", &samples, Goal::AtMost(10.0));
    Ok(())
}
