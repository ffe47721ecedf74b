//! Instances of an EC2 Auto Scaling group, which has to be there: its launch template makes them, and its `MinSize` is 0 and its
//! `MaxSize` no less than the group's `max`. It should have no scaling policies of its own, and suspend `AZRebalance` and
//! `ReplaceUnhealthy`, which end instances without draining.
//!
//! Which launch an instance is, its tag `nlb:token` says. Credentials need `autoscaling:DescribeAutoScalingGroups`,
//! `autoscaling:SetDesiredCapacity`, `autoscaling:TerminateInstanceInAutoScalingGroup`, `ec2:DescribeInstances` and `ec2:CreateTags`.

mod answers;
mod credentials;
mod query;
mod signature;

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join};

use self::answers::{Group, Machine, Page};
use self::query::{Api, Failure, Query};
use super::fleet::{Claimed, Fleet, Members};
use super::settings::Settings;
use super::{Provided, ProviderError};
use crate::autoscale::model::{InstanceId, LaunchTemplate, Token};

/// The tag that names the launch.
const TAG: &str = "nlb:token";

/// The Auto Scaling group.
#[derive(Debug)]
pub(super) struct Ec2 {
    template: LaunchTemplate,
    group: String,
    query: Query,
}

impl Ec2 {
    /// The provider that `template` describes.
    pub(super) fn provider(template: &LaunchTemplate) -> Result<Claimed<Self>, ProviderError> {
        let settings = Settings(template);
        settings.only(&["group", "region", "endpoint", "credentials_file"])?;
        let group = settings.required("group", "web-fleet")?.to_owned();
        let query = Query::new(settings)?;
        Ok(Claimed::new(Self { template: template.clone(), group, query }))
    }

    async fn look(&self) -> Result<Members, ProviderError> {
        let (group, machines) = try_join(self.group(), self.machines()).await?;
        let told = |(id, member): (String, answers::Member)| {
            let machine = machines.get(&id);
            Provided {
                token: machine.and_then(|machine| machine.tags.get(TAG)).cloned().map(Token),
                zone: member.zone.parse().ok(),
                address: machine.and_then(|machine| machine.address),
                port: (self.template.port != 0).then_some(self.template.port),
                state: member.state(machine),
                launched: machine.and_then(|machine| machine.launched),
                id: InstanceId(id),
            }
        };
        Ok(Members { wanted: group.desired, members: group.members.into_iter().map(told).collect() })
    }

    async fn group(&self) -> Result<Group, ProviderError> {
        let words = [("AutoScalingGroupNames.member.1", self.group.clone())];
        let what = "describe the Auto Scaling group";
        let answer = self.query.ask(Api::AutoScaling, "DescribeAutoScalingGroups", &words).await;
        let answer = answer.map_err(|failure| failure.told(what))?;
        let group = Group::read(&answer).map_err(|reason| Failure::unread(reason).told(what))?;
        group.ok_or_else(|| {
            let problem =
                format!("is {:?}: there is no such Auto Scaling group in {}", self.group, self.query.region());
            Settings(&self.template).wrong("group", problem)
        })
    }

    /// The machines of the group, by id.
    async fn machines(&self) -> Result<BTreeMap<String, Machine>, ProviderError> {
        let mut machines = BTreeMap::new();
        let mut next = None;
        loop {
            let mut words = vec![
                ("Filter.1.Name", "tag:aws:autoscaling:groupName".to_owned()),
                ("Filter.1.Value.1", self.group.clone()),
                ("MaxResults", "1000".to_owned()),
            ];
            words.extend(next.map(|next| ("NextToken", next)));
            let what = "describe the instances";
            let answer = self.query.ask(Api::Ec2, "DescribeInstances", &words).await;
            let answer = answer.map_err(|failure| failure.told(what))?;
            let page = Page::read(&answer).map_err(|reason| Failure::unread(reason).told(what))?;
            machines.extend(page.machines);
            next = page.next;
            if next.is_none() {
                return Ok(machines);
            }
        }
    }

    async fn set_desired(&self, to: u32) -> Result<(), ProviderError> {
        let words = [("AutoScalingGroupName", self.group.clone()), ("DesiredCapacity", to.to_string())];
        match self.query.ask(Api::AutoScaling, "SetDesiredCapacity", &words).await {
            Ok(_) => Ok(()),
            // It says which: above `MaxSize`.
            Err(Failure::Refused { code, message }) if code == "ValidationError" => {
                Err(ProviderError::Capacity(message))
            }
            Err(failure) => Err(failure.told(&format!("set the desired capacity to {to}"))),
        }
    }

    async fn terminate(&self, ids: &[InstanceId]) -> Result<(), ProviderError> {
        for id in ids {
            let words = [("InstanceId", id.0.clone()), ("ShouldDecrementDesiredCapacity", "true".to_owned())];
            let answer = self.query.ask(Api::AutoScaling, "TerminateInstanceInAutoScalingGroup", &words).await;
            answer.map_err(|failure| failure.told(&format!("terminate {id}")))?;
        }
        Ok(())
    }

    async fn tag(&self, id: &InstanceId, token: &Token) -> Result<(), ProviderError> {
        let words = [("ResourceId.1", id.0.clone()), ("Tag.1.Key", TAG.to_owned()), ("Tag.1.Value", token.0.clone())];
        let answer = self.query.ask(Api::Ec2, "CreateTags", &words).await;
        answer.map(drop).map_err(|failure| failure.told(&format!("tag {id}")))
    }
}

impl Fleet for Ec2 {
    fn members(&self) -> BoxFuture<'_, Result<Members, ProviderError>> {
        self.look().boxed()
    }

    fn grow(&self, to: u32) -> BoxFuture<'_, Result<(), ProviderError>> {
        self.set_desired(to).boxed()
    }

    fn claim<'a>(&'a self, id: &'a InstanceId, token: &'a Token) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.tag(id, token).boxed()
    }

    fn end<'a>(&'a self, ids: &'a [InstanceId], _: u32) -> BoxFuture<'a, Result<(), ProviderError>> {
        // Each call wants one fewer.
        self.terminate(ids).boxed()
    }
}
