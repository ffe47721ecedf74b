//! What happens, as the engine is told.

use crate::autoscale::model::{HookResult, InstanceId, Sample, Token};
use crate::autoscale::policy::ForecastPoint;
use crate::model::{Name, Timestamp};
use crate::providers::{Provided, ProviderError};

/// A fact. Each may be told late, twice, or never: an instance that is not known any more is passed over.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A metric's figure, or that there is none.
    Sampled {
        /// Whose metric it is.
        gauge: Gauge,
        /// Over the instances that [`Engine::measured`](super::Engine::measured) names.
        sample: Sample,
    },
    /// What is forecast for a predictive policy, in place of what was forecast before.
    Forecast {
        /// The policy.
        policy: Name,
        /// In the order of time, at the policy's resolution and quantile.
        points: Vec<ForecastPoint>,
    },
    /// The provider answered a launch, or did not in time.
    Launched {
        /// The instance.
        token: Token,
        /// The provider's name of it.
        result: Result<InstanceId, ProviderError>,
    },
    /// The provider answered a termination, or did not in time.
    Terminated {
        /// The instance.
        token: Token,
        /// Whether it is being ended.
        result: Result<(), ProviderError>,
    },
    /// All that the provider runs for the group. A list that could not be had is no event.
    Listed {
        /// When it was asked for: what was launched later is rightly missing.
        asked: Timestamp,
        /// The whole list.
        instances: Vec<Provided>,
    },
    /// The health of an instance's targets changed: of all of them, or the reason why one is unhealthy.
    Health {
        /// The instance.
        token: Token,
        /// The reason is for people.
        health: Result<(), String>,
    },
    /// The active flows of an instance's targets.
    Flows {
        /// The instance.
        token: Token,
        /// How many.
        flows: u64,
    },
    /// The targets of an instance are drained and gone, or were never there.
    Drained {
        /// The instance.
        token: Token,
    },
    /// A hook's command ended.
    HookEnded {
        /// The instance.
        token: Token,
        /// The hook.
        hook: Name,
        /// What it said by its exit code.
        result: HookResult,
    },
}

/// Whose metric a sample is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gauge {
    /// A policy's.
    Policy(Name),
    /// That of the refresh under way with this index among its alarms.
    RefreshAlarm(usize),
}
