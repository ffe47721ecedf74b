//! `nlb asg backtest`: a recorded load, and what each scaling rule would have made of it. Asks no agent.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::CommandError;
use super::super::output::Output;
use super::super::render::{Style, Table, Tone, age, plural};
use super::chart;
use crate::args::Backtest;
use crate::autoscale::backtest::{Aims, Report, RuleKind, Setting, Trace, report, svg};

/// Runs the back-test and shows it.
pub(in crate::commands) fn run(output: Output, arguments: &Backtest) -> Result<(), CommandError> {
    let trace = read(&arguments.trace)?;
    let usual = Setting::usual(&trace);
    let setting = Setting {
        bin: Duration::from_secs(arguments.bin),
        capacity: arguments.capacity.unwrap_or(usual.capacity),
        start: Duration::from_secs(arguments.start),
    };
    let aims = Aims { quantile: arguments.quantile, target: arguments.target / 100.0 };
    let asked: BTreeSet<RuleKind> = arguments.policy.iter().map(|policy| RuleKind::from(*policy)).collect();
    let rules: Vec<_> = RuleKind::ALL.into_iter().filter(|rule| asked.is_empty() || asked.contains(rule)).collect();
    let report = report(&trace, setting, aims, &rules);
    if let Some(file) = &arguments.svg {
        fs::write(file, svg(&report)).map_err(|error| {
            CommandError::failed(format!("cannot write {}: {error}", file.display()), "name a file that can be written")
        })?;
    }
    output.show(&report, text)
}

/// The load in a file.
pub(super) fn read(file: &Path) -> Result<Trace, CommandError> {
    let text = fs::read_to_string(file).map_err(|error| {
        CommandError::failed(
            format!("cannot read {}: {error}", file.display()),
            "name a file of lines `seconds,requests_per_second`",
        )
    })?;
    Trace::parse(&text).map_err(|error| {
        CommandError::failed(
            format!("{}: {error}", file.display()),
            "write `seconds,requests_per_second` by line, times rising; nothing was done",
        )
    })
}

/// The back-test as text.
pub fn text(report: &Report, style: Style) -> String {
    let mut text = format!(
        "{} of load in bins of {}; the first {} are for learning. An instance carries {:.4}/s and starts within {}.\n\n",
        age(report.span),
        age(report.setting.bin),
        age(report.warmup),
        report.setting.capacity,
        age(report.setting.start),
    );
    let mut table =
        Table::new(&["RULE", ">UNDER", ">MISSING", ">OVER", ">EXCESS", ">APART", ">FLAPS", ">INSTANCE-HOURS"]);
    for entry in &report.rules {
        let measures = entry.measures;
        let share = |share: f64| format!("{:.2}%", share * 100.0);
        table.row(
            [
                entry.rule.name().to_owned(),
                share(measures.time_under),
                share(measures.under_share),
                share(measures.time_over),
                share(measures.over_share),
                share(measures.instability),
                measures.flaps.to_string(),
                format!("{:.0}", measures.instance_hours),
            ]
            .map(Into::into),
        );
    }
    text.push_str(&table.render(style));
    text.push_str(&comparison(report));
    for distance in &report.forecasts {
        let accuracy = &distance.accuracy;
        let best = accuracy.models.first().map_or("none", |model| model.name.as_str());
        text.push_str(&format!(
            "forecast {} ahead: error {:.2} of yesterday's same hour's; the 90% interval held {:.1}%; best model: {best}\n",
            plural(distance.hours_ahead, "hour"),
            distance.error_over_naive,
            accuracy.coverage * 100.0,
        ));
    }
    for entry in &report.rules {
        text.push('\n');
        text.push_str(&style.paint(Tone::Bold, entry.rule.name()));
        text.push('\n');
        text.push_str(&chart::lines(&report.demand.need, &entry.run.supply, style));
    }
    text
}

fn comparison(report: &Report) -> String {
    let mut text = "\n".to_owned();
    if let Some(ratio) = report.time_under_over_hpa {
        text.push_str(&format!(
            "at the instance-hours of hpa with target 70%: {ratio:.2} of its time under-provisioned\n"
        ));
    }
    if let Some(ratio) = report.hours_over_hpa {
        text.push_str(&format!("for 1% of time under-provisioned: {ratio:.2} of the instance-hours of hpa\n"));
    }
    text
}
