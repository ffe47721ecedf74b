//! Instances as transient services of systemd, which is asked by D-Bus.
//!
//! ```text
//! agent ── D-Bus ── systemd ─▶ nlb-GROUP-TOKEN.service: its own namespace, eth0 │ veth ── bridge
//! ```
//! Nothing is remembered here: a unit's name says which launch it is, and its environment where it is. It outlives the agent,
//! which needs no right but to be root, or to be allowed to manage units. What must be made before the service runs, its unit makes
//! itself; its network goes with it.
//!
//! systemd forgets a service that ended well, and it is gone then; one that failed is kept until it is terminated.

mod bus;
mod properties;
mod settings;
mod unit;

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use self::bus::Bus;
use self::settings::UnitSettings;
use super::settings::Settings;
use super::{Launch, Provided, ProvidedState, Provider, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate};
use crate::model::Name;

/// Held while an address is chosen, until it stands in a unit: groups may share a pool.
static CHOICE: Mutex<()> = Mutex::const_new(());

/// Time between two looks at a unit that is to end.
const LOOK: Duration = Duration::from_millis(50);

/// A unit whose processes were killed has so long to be gone.
const GONE: Duration = Duration::from_secs(5);

/// The errors by which the manager refuses properties.
const REFUSALS: [&str; 4] =
    ["DBus.Error.InvalidArgs", "DBus.Error.PropertyReadOnly", "systemd1.BadUnitSetting", "systemd1.LoadFailed"];

/// The provider.
#[derive(Debug)]
pub(super) struct Systemd {
    settings: UnitSettings,
}

impl Systemd {
    /// The provider that `template` describes.
    pub(super) fn new(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        Ok(Self { settings: UnitSettings::of(template)? })
    }

    async fn begin(&self, launch: &Launch) -> Result<InstanceId, ProviderError> {
        // A template of before may differ from this provider's own.
        let settings = UnitSettings::of(&launch.template)?;
        let name = unit::name(&launch.group, &launch.token);
        let bus = Bus::connect(&settings.bus).await?;
        let _held = CHOICE.lock().await;
        let units = unit::units(&bus, unit::ANY).await?;
        if units.iter().any(|unit| unit.provided.id.0 == name) {
            return Ok(InstanceId(name));
        }
        let taken = units.iter().filter_map(|unit| unit.provided.address).collect();
        let address = settings
            .pool
            .free(&taken)
            .ok_or_else(|| ProviderError::Capacity(format!("all addresses of {} are in use", settings.pool)))?;
        match bus.start(&name, &settings.unit(&name, launch, address)).await {
            Err(error) if REFUSALS.iter().any(|refusal| bus::is(&error, refusal)) => {
                let problem = format!("or `command` is refused: {}", bus::told(&error));
                Err(Settings(&launch.template).wrong("properties", problem))
            }
            // Somebody was quicker: a call that was given up, and went on in the manager.
            Err(error) if !bus::is(&error, "systemd1.UnitExists") => Err(bus::failed(&format!("start {name}"), &error)),
            Ok(()) | Err(_) => Ok(InstanceId(name)),
        }
    }

    async fn end(&self, bus: &Bus, group: &Name, id: &InstanceId) -> Result<(), ProviderError> {
        let limit = self.settings.stop_timeout + GONE;
        let until = Instant::now() + limit;
        let mut is_told = false;
        loop {
            // Only what this provider has started for that group is ended by it.
            let units = unit::units(bus, &id.0).await?;
            let own = units.into_iter().find(|unit| unit.provided.id == *id && unit.group == group.as_str());
            match own.map(|unit| unit.provided.state) {
                None => return Ok(()),
                // Also one that had to be killed.
                Some(ProvidedState::Failed { .. }) => return bus.forget(&id.0).await,
                Some(_) if !is_told => {
                    bus.stop(&id.0).await?;
                    is_told = true;
                }
                Some(_) if Instant::now() < until => sleep(LOOK).await,
                Some(_) => return Err(ProviderError::TimedOut { what: format!("stop {id}"), limit }),
            }
        }
    }

    async fn end_all(&self, group: &Name, ids: &[InstanceId]) -> Result<(), ProviderError> {
        let bus = Bus::connect(&self.settings.bus).await?;
        join_all(ids.iter().map(|id| self.end(&bus, group, id))).await.into_iter().collect()
    }

    async fn listed(&self, group: &Name) -> Result<Vec<Provided>, ProviderError> {
        let bus = Bus::connect(&self.settings.bus).await?;
        let units = unit::units(&bus, &unit::pattern(group)).await?;
        Ok(units.into_iter().filter(|unit| unit.group == group.as_str()).map(|unit| unit.provided).collect())
    }
}

impl Provider for Systemd {
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        self.listed(group).boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        self.begin(launch).boxed()
    }

    fn terminate<'a>(&'a self, group: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.end_all(group, ids).boxed()
    }

    fn stop<'a>(&'a self, _: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        // systemd forgets a transient unit that is stopped.
        async { Err(ProviderError::Unsupported("stop an instance")) }.boxed()
    }

    fn start<'a>(&'a self, _: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        async { Err(ProviderError::Unsupported("start an instance")) }.boxed()
    }
}
