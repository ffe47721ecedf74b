//! `nlb asg forecast`.

use super::super::render::{Style, Table, Tone, age};
use super::chart;
use crate::api::dto::{ForecastView, Moment};

/// Points of a day by the hour.
const SHOWN: usize = 12;

/// The forecasts of a group's predictive policies.
pub fn forecast(forecasts: &[ForecastView], now: Moment, style: Style) -> String {
    if forecasts.is_empty() {
        return "no forecast: the group has no predictive policy\n".to_owned();
    }
    forecasts.iter().map(|forecast| one(forecast, now, style)).collect::<Vec<_>>().join("\n")
}

fn one(forecast: &ForecastView, now: Moment, style: Style) -> String {
    let ForecastView { policy, load, per_instance, quantile, .. } = forecast;
    let follows = if forecast.scales { "capacity follows it" } else { "only to be looked at" };
    let mut text = format!(
        "{}: {load}, {per_instance} an instance, quantile {quantile}; {follows}\n",
        style.paint(Tone::Bold, policy)
    );
    let Some(at) = forecast.at else {
        let minutes = forecast.minutes_missing;
        return text + &format!("nothing is forecast before {minutes} more minutes are recorded\n");
    };
    text.push_str(&format!(
        "made {} ago; instances for what is expected (blocks) and for the quantile (line), 48 hours:\n",
        age(now.since(at))
    ));
    let need: Vec<_> = forecast.points.iter().map(|point| Some(point.median_capacity)).collect();
    let supply: Vec<_> = forecast.points.iter().map(|point| point.capacity).collect();
    text.push_str(&chart::lines(&need, &supply, style));
    let hour = usize::try_from(3_600 / forecast.resolution.max(1)).unwrap_or(1);
    let mut table = Table::new(&["AT", ">EXPECTED", ">LOW", ">HIGH", ">QUANTILE", ">INSTANCES"]);
    for point in forecast.points.iter().step_by(hour).take(SHOWN) {
        let figure = |value: f64| format!("{value:.1}").into();
        table.row([
            point.at.to_string().chars().take(16).collect::<String>().into(),
            figure(point.median),
            figure(point.low),
            figure(point.high),
            figure(point.quantile),
            point.capacity.to_string().into(),
        ]);
    }
    text.push_str(&table.render(style));
    text + &models(forecast, style)
}

fn models(forecast: &ForecastView, style: Style) -> String {
    let mut table = Table::new(&[">HOURS AHEAD", "MODEL", ">SHARE", ">ERROR"]);
    let mut last = None;
    for model in &forecast.models {
        // The best of each distance.
        if last.replace(model.ahead) != Some(model.ahead) {
            table.row([
                model.ahead.to_string().into(),
                model.name.as_str().into(),
                format!("{:.0}%", 100.0 * model.weight).into(),
                format!("{:.1}", model.error).into(),
            ]);
        }
    }
    format!("\n{}", table.render(style))
}
