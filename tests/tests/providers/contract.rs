//! What every provider promises.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_userspace::autoscale::model::{InstanceId, LaunchTemplate, Token};
use nlb_userspace::model::Name;
use nlb_userspace::providers::{self, Launch, Provided, ProvidedState, Provider, ProviderError};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(30);

/// A provider, and how its instances are asked for.
pub(crate) struct Tried<'a> {
    pub(crate) provider: &'a dyn Provider,
    pub(crate) template: &'a LaunchTemplate,
}

/// Runs a test to its end.
pub(crate) fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test)
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

impl Tried<'_> {
    /// Holds the provider to all of it.
    pub(crate) async fn holds(&self) -> Result<()> {
        providers::check(self.template)?;
        ensure!(self.list("web").await?.is_empty(), "a group that never launched has instances");
        let first = self.launch("web", 1).await?;
        ensure!(self.launch("web", 1).await? == first, "one token made two instances");
        let second = self.launch("web", 2).await?;
        let other = self.launch("other", 1).await?;
        let listed = self.until("both run", "web", |listed| listed.len() == 2 && all_run(listed)).await?;
        ensure!(self.launch("web", 1).await? == first, "a token that is in use made another instance");
        for (instance, number) in listed.iter().zip(1..) {
            let token = Some(Token(format!("web-{number}")));
            ensure!(instance.token == token && instance.address.is_some(), "{instance:?}");
        }
        let addresses: Vec<_> = listed.iter().map(|instance| instance.address).collect();
        ensure!(addresses[0] != addresses[1], "one address for two: {addresses:?}");

        self.terminate("web", &first).await?;
        let left = self.until("the first is gone", "web", |listed| listed.len() == 1).await?;
        ensure!(left[0].id == second, "another one was ended: {left:?}");
        self.terminate("web", &first).await.context("one that is gone already")?;
        ensure!(self.list("other").await?.len() == 1, "another group's was ended");
        self.stop_and_start(&second).await?;
        self.terminate("web", &second).await?;
        self.terminate("other", &other).await?;
        self.until("all are gone", "web", <[_]>::is_empty).await?;
        self.until("the other group's is gone", "other", <[_]>::is_empty).await?;
        Ok(())
    }

    async fn stop_and_start(&self, id: &InstanceId) -> Result<()> {
        let group = name("web");
        match self.provider.stop(&group, id).await {
            // Not every provider can; it says so and does nothing.
            Err(ProviderError::Unsupported(_)) => return self.until("it runs on", "web", all_run).await.map(drop),
            stopped => stopped?,
        }
        self.until("it stands still", "web", |listed| listed.iter().all(|one| one.state == ProvidedState::Stopped))
            .await?;
        for _ in 0..2 {
            self.provider.start(&group, id).await?;
            self.until("it runs again", "web", all_run).await?;
        }
        Ok(())
    }

    pub(crate) async fn launch(&self, group: &str, number: u32) -> Result<InstanceId> {
        let (group, token) = (name(group), Token(format!("{group}-{number}")));
        let launch = Launch { group, token, template: self.template.clone(), zone: None };
        Ok(self.provider.launch(&launch).await?)
    }

    async fn terminate(&self, group: &str, id: &InstanceId) -> Result<()> {
        Ok(self.provider.terminate(&name(group), std::slice::from_ref(id)).await?)
    }

    pub(crate) async fn list(&self, group: &str) -> Result<Vec<Provided>> {
        let mut listed = self.provider.list(&name(group)).await?;
        listed.sort_by(|one, other| one.token.cmp(&other.token));
        Ok(listed)
    }

    /// Waits until the list of a group is like that.
    pub(crate) async fn until(
        &self,
        what: &str,
        group: &str,
        is_so: impl Fn(&[Provided]) -> bool,
    ) -> Result<Vec<Provided>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let listed = self.list(group).await?;
            if is_so(&listed) {
                return Ok(listed);
            }
            ensure!(Instant::now() < until, "waited in vain: {what}: {listed:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn all_run(listed: &[Provided]) -> bool {
    listed.iter().all(|instance| instance.state == ProvidedState::Running)
}
