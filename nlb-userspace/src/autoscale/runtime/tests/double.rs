//! A provider in memory, with faults.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::autoscale::model::InstanceId;
use crate::model::Name;
use crate::providers::{Launch, Provided, ProvidedState, Provider, ProviderError};

/// What is wrong with every call.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// It fails.
    Fails,
    /// It never ends, for this group.
    HangsFor(Name),
    /// It takes that long, and what it does is done by half of it.
    SlowBy(Duration),
}

/// The provider. Clones share what there is: it outlives the agent.
#[derive(Clone, Default)]
pub(super) struct Double(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    fault: Option<Fault>,
    machines: BTreeMap<InstanceId, (Launch, IpAddr)>,
    made: BTreeMap<String, u32>,
    ended: Vec<(IpAddr, bool)>,
    /// Tells whether an address is a target's.
    is_target: Option<Box<dyn Fn(IpAddr) -> bool + Send>>,
    next: u8,
}

impl Double {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self(Arc::new(Mutex::new(World { fault, next: 1, ..World::default() })))
    }

    pub(super) fn fault(&self, fault: Option<Fault>) {
        self.0.lock().unwrap().fault = fault;
    }

    pub(super) fn watch_targets(&self, is_target: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.0.lock().unwrap().is_target = Some(Box::new(is_target));
    }

    pub(super) fn running(&self) -> usize {
        self.0.lock().unwrap().machines.len()
    }

    pub(super) fn made(&self, token: &str) -> u32 {
        self.0.lock().unwrap().made.get(token).copied().unwrap_or_default()
    }

    pub(super) fn all_made(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().made.clone()
    }

    /// What was ended, and whether it was a target's then.
    pub(super) fn ended(&self) -> Vec<(IpAddr, bool)> {
        self.0.lock().unwrap().ended.clone()
    }

    pub(super) fn lose(&self, token: &str) {
        self.0.lock().unwrap().machines.retain(|_, (launch, _)| launch.token.0 != token);
    }

    /// Does `work` as the fault allows.
    async fn call<T>(&self, group: &Name, work: impl FnOnce(&mut World) -> T) -> Result<T, ProviderError> {
        let fault = self.0.lock().unwrap().fault.clone();
        match fault {
            Some(Fault::Fails) => {
                let (what, reason) = ("the call".to_owned(), "out of order".to_owned());
                Err(ProviderError::Unavailable { what, reason })
            }
            Some(Fault::HangsFor(hangs)) if &hangs == group => std::future::pending().await,
            Some(Fault::SlowBy(time)) => {
                tokio::time::sleep(time / 2).await;
                let done = work(&mut self.0.lock().unwrap());
                tokio::time::sleep(time / 2).await;
                Ok(done)
            }
            _ => Ok(work(&mut self.0.lock().unwrap())),
        }
    }
}

impl Provider for Double {
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        let provided = |(id, (launch, address)): (&InstanceId, &(Launch, IpAddr))| Provided {
            id: id.clone(),
            token: Some(launch.token.clone()),
            zone: launch.zone.clone(),
            address: Some(*address),
            port: None,
            state: ProvidedState::Running,
            launched: None,
        };
        let list = move |world: &mut World| {
            let own = world.machines.iter().filter(|(_, (launch, _))| &launch.group == group);
            own.map(provided).collect()
        };
        self.call(group, list).boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        let make = |world: &mut World| {
            let id = InstanceId(format!("i-{}", launch.token));
            if !world.machines.contains_key(&id) {
                *world.made.entry(launch.token.0.clone()).or_default() += 1;
                let address = IpAddr::from([10, 0, 0, world.next]);
                world.next += 1;
                world.machines.insert(id.clone(), (launch.clone(), address));
            }
            id
        };
        self.call(&launch.group, make).boxed()
    }

    fn terminate<'a>(&'a self, group: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        let end = |world: &mut World| {
            for (_, address) in ids.iter().filter_map(|id| world.machines.remove(id)).collect::<Vec<_>>() {
                let is_target = world.is_target.as_ref().is_some_and(|is_target| is_target(address));
                world.ended.push((address, is_target));
            }
        };
        self.call(group, end).boxed()
    }

    fn stop<'a>(&'a self, group: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.call(group, |_| ()).boxed()
    }

    fn start<'a>(&'a self, group: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.call(group, |_| ()).boxed()
    }
}
