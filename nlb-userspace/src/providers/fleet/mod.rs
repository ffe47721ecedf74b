//! Instances of a fleet: of like members, of which only the number can be asked for (an Auto Scaling group, a Deployment).
//!
//! A launch asks for one member more than launches know of, and claims the first that nobody has claimed: the claim is noted at the
//! member itself, so the next agent finds it there. Whatever the fleet makes by itself in place of a member that died is unclaimed
//! likewise, until the launch that replaces that member claims it.
//!
//! The invariant: a fleet is never asked for more members than are claimed and waited for.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::{Launch, Provided, ProvidedState, Provider, ProviderError};
use crate::autoscale::model::{InstanceId, Token};
use crate::model::Name;

/// A fleet as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    /// How many there are to be.
    pub(super) wanted: u32,
    /// Those that there are. The token of each is that of the launch which claimed it.
    pub(super) members: Vec<Provided>,
}

/// Who has a fleet.
pub(super) trait Fleet: Send + Sync {
    /// The fleet as it is.
    fn members(&self) -> BoxFuture<'_, Result<Members, ProviderError>>;

    /// Makes it that many, more than there are to be now.
    fn grow(&self, to: u32) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Notes at a member whose it is.
    fn claim<'a>(&'a self, id: &'a InstanceId, token: &'a Token) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Ends these members, of which none is on its way out. So many are `left` then.
    fn end<'a>(&'a self, ids: &'a [InstanceId], left: u32) -> BoxFuture<'a, Result<(), ProviderError>>;
}

/// The provider that a fleet makes.
#[derive(Debug)]
pub(super) struct Claimed<F> {
    fleet: F,
    /// Held from a look at the fleet to what follows from it.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
    /// Time between two looks whether a new member is there.
    look: Duration,
    /// How long a launch waits for a member; then it is asked for again, and waits on.
    patience: Duration,
}

/// What this agent knows and the fleet may not show yet.
#[derive(Debug, Default)]
struct Known {
    /// Launches that wait for a member.
    waiting: BTreeSet<Token>,
    /// Claims made.
    claims: BTreeMap<InstanceId, Token>,
}

/// A launch among those that wait, as long as this is there.
struct Waiting<'a> {
    known: &'a Mutex<Known>,
    token: &'a Token,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.known).waiting.remove(self.token);
    }
}

impl<F: Fleet> Claimed<F> {
    pub(super) fn new(fleet: F) -> Self {
        // A call may take a minute.
        let (look, patience) = (Duration::from_millis(500), Duration::from_secs(20));
        Self { fleet, turn: tokio::sync::Mutex::default(), known: Mutex::default(), look, patience }
    }

    /// The fleet as it is, with what this agent has done to it.
    async fn look(&self) -> Result<Members, ProviderError> {
        let mut fleet = self.fleet.members().await?;
        let known = lock(&self.known);
        for member in fleet.members.iter_mut().filter(|member| member.token.is_none()) {
            member.token = known.claims.get(&member.id).cloned();
        }
        Ok(fleet)
    }

    async fn get(&self, launch: &Launch) -> Result<InstanceId, ProviderError> {
        let Launch { token, zone, .. } = launch;
        lock(&self.known).waiting.insert(token.clone());
        let _waiting = Waiting { known: &self.known, token };
        let until = Instant::now() + self.patience;
        loop {
            if let Some(id) = self.try_get(token, zone.as_ref()).await? {
                return Ok(id);
            }
            if Instant::now() >= until {
                let reason = "the fleet is told to grow, and has no new member yet".to_owned();
                return Err(ProviderError::Unavailable { what: format!("launch {token}"), reason });
            }
            sleep(self.look).await;
        }
    }

    /// The member of a launch, if there is one to be had now; else the fleet is told to grow, if it isn't about to.
    async fn try_get(&self, token: &Token, zone: Option<&Name>) -> Result<Option<InstanceId>, ProviderError> {
        let _turn = self.turn.lock().await;
        let fleet = self.look().await?;
        if let Some(member) = fleet.members.iter().find(|member| member.token.as_ref() == Some(token)) {
            return Ok(Some(member.id.clone()));
        }
        let mut free: Vec<_> = fleet.members.iter().filter(|one| one.token.is_none() && stays(one)).collect();
        free.sort_by_key(|one| zone.is_some() && one.zone.as_ref() != zone);
        if let Some(member) = free.first() {
            self.fleet.claim(&member.id, token).await?;
            lock(&self.known).claims.insert(member.id.clone(), token.clone());
            return Ok(Some(member.id.clone()));
        }
        let claimed = fleet.members.iter().filter(|member| member.token.is_some() && stays(member)).count();
        let needed = u32::try_from(claimed + lock(&self.known).waiting.len()).unwrap_or(u32::MAX);
        if fleet.wanted < needed {
            self.fleet.grow(needed).await?;
        }
        Ok(None)
    }

    async fn end(&self, ids: &[InstanceId]) -> Result<(), ProviderError> {
        let _turn = self.turn.lock().await;
        let fleet = self.look().await?;
        let is_leaving = |member: &Provided| member.state == ProvidedState::Deleting;
        let named = |member: &Provided| ids.contains(&member.id);
        let ending = fleet.members.iter().filter(|member| named(member) && !is_leaving(member));
        let ending: Vec<_> = ending.map(|member| member.id.clone()).collect();
        if ending.is_empty() {
            return Ok(());
        }
        // By what there is, not by what was wanted: an agent that was killed may have made it fewer already.
        let others: Vec<_> = fleet.members.iter().filter(|member| !named(member) && stays(member)).collect();
        let claimed = others.iter().filter(|member| member.token.is_some()).count();
        let left = others.len().max(claimed + lock(&self.known).waiting.len());
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        self.fleet.end(&ending, left).await
    }

    async fn listed(&self, group: &Name) -> Result<Vec<Provided>, ProviderError> {
        let fleet = self.look().await?;
        let is_there = |id: &InstanceId| fleet.members.iter().any(|member| &member.id == id);
        lock(&self.known).claims.retain(|id, _| is_there(id));
        Ok(fleet.members.into_iter().filter(|member| member.token.as_ref().is_some_and(|t| is_of(t, group))).collect())
    }
}

fn stays(member: &Provided) -> bool {
    !matches!(member.state, ProvidedState::Deleting | ProvidedState::Failed { .. })
}

/// Whether a token is one of `group`: its name and a number.
fn is_of(token: &Token, group: &Name) -> bool {
    let number = token.0.strip_prefix(group.as_str()).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// What is held is whole at any moment, also when who held it panicked.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Fleet> Provider for Claimed<F> {
    fn list<'a>(&'a self, group: &'a Name) -> BoxFuture<'a, Result<Vec<Provided>, ProviderError>> {
        self.listed(group).boxed()
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<InstanceId, ProviderError>> {
        self.get(launch).boxed()
    }

    fn terminate<'a>(&'a self, _: &'a Name, ids: &'a [InstanceId]) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.end(ids).boxed()
    }

    fn stop<'a>(&'a self, _: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        async { Err(ProviderError::Unsupported("stop an instance")) }.boxed()
    }

    fn start<'a>(&'a self, _: &'a Name, _: &'a InstanceId) -> BoxFuture<'a, Result<(), ProviderError>> {
        async { Err(ProviderError::Unsupported("start an instance")) }.boxed()
    }
}
