//! Forecasts of predictive policies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::dto::Moment;
use crate::autoscale::forecast::{Choice, Expected};
use crate::autoscale::model::PredictiveMode;
use crate::autoscale::policy::whole;
use crate::autoscale::runtime::{Outlook, View};

/// What a predictive policy goes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastView {
    /// The policy.
    pub policy: String,
    /// What is forecast.
    pub load: String,
    /// Whether capacity follows it.
    pub scales: bool,
    /// How much of the load one instance should carry.
    pub per_instance: f64,
    /// The quantile that is provided for.
    pub quantile: f64,
    /// Seconds between two points.
    pub resolution: u64,
    /// When it was made; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Minutes of load that have to be recorded before anything is forecast.
    pub minutes_missing: usize,
    /// What is expected, in the order of time.
    pub points: Vec<ForecastPointView>,
    /// How the models do.
    pub models: Vec<ModelView>,
}

/// What is expected of one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastPointView {
    /// When the interval begins.
    pub at: Moment,
    /// As likely more as less.
    pub median: f64,
    /// The 90 % interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The load that is provided for.
    pub quantile: f64,
    /// The instances that it takes.
    pub capacity: u32,
    /// The instances that the median takes.
    pub median_capacity: u32,
}

/// A model's part in the forecast of one distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// Hours ahead.
    pub ahead: usize,
    /// What it is called.
    pub name: String,
    /// Its share, 0 to 1.
    pub weight: f64,
    /// Its mean absolute error of late, in the unit of the load.
    pub error: f64,
}

impl ForecastView {
    /// Those of the group that `view` shows, by the policies' names.
    pub fn all(view: &View) -> Vec<Self> {
        view.forecasts.iter().map(|(policy, outlook)| Self::of(policy.as_str(), outlook)).collect()
    }

    fn of(policy: &str, outlook: &Outlook) -> Self {
        let Outlook { rule, foreseen, minutes_missing } = outlook;
        let points = foreseen.iter().flat_map(|foreseen| &foreseen.points);
        let models = foreseen.iter().flat_map(|foreseen| &foreseen.choices).flat_map(models);
        Self {
            policy: policy.to_owned(),
            load: rule.load.to_string(),
            scales: rule.mode == PredictiveMode::ForecastAndScale,
            per_instance: rule.per_instance,
            quantile: rule.quantile,
            resolution: rule.resolution.as_secs(),
            at: foreseen.as_ref().map(|foreseen| foreseen.at.into()),
            minutes_missing: *minutes_missing,
            points: points.map(|point| ForecastPointView::of(point, rule.per_instance)).collect(),
            models: models.collect(),
        }
    }
}

impl ForecastPointView {
    fn of(expected: &Expected, per_instance: f64) -> Self {
        let Expected { at, median, low, high, quantile } = *expected;
        Self {
            at: at.into(),
            median,
            low,
            high,
            quantile,
            capacity: whole(quantile / per_instance),
            median_capacity: whole(median / per_instance),
        }
    }
}

fn models(choice: &Choice) -> impl Iterator<Item = ModelView> + '_ {
    choice.models.iter().map(|score| ModelView {
        ahead: choice.ahead,
        name: score.name.clone(),
        weight: score.weight,
        error: score.error,
    })
}
