//! What the two APIs answer, as far as it is needed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use roxmltree::{Document, Node};

use crate::model::Timestamp;
use crate::providers::ProvidedState;

/// An Auto Scaling group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// How many instances it is to have.
    pub(super) desired: u32,
    /// Those that it has, by id.
    pub(super) members: BTreeMap<String, Member>,
}

/// An instance as its group sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its availability zone.
    pub(super) zone: String,
    /// `Pending`, `InService`, `Terminating:Wait`, …
    lifecycle: String,
}

/// A part of a list of machines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// By id.
    pub(super) machines: BTreeMap<String, Machine>,
    /// Names the part behind it, if there is one.
    pub(super) next: Option<String>,
}

/// An instance as EC2 sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Its own address: the private one, or else its first IPv6 address.
    pub(super) address: Option<IpAddr>,
    /// `pending`, `running`, `shutting-down`, …
    state: String,
    pub(super) launched: Option<Timestamp>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Member {
    /// How it stands, by what both say.
    pub(super) fn state(&self, machine: Option<&Machine>) -> ProvidedState {
        let ends =
            |word: &str| ["Terminating", "Terminated", "Detach"].into_iter().any(|begin| word.starts_with(begin));
        match (self.lifecycle.as_str(), machine.map(|machine| machine.state.as_str())) {
            (lifecycle, _) if ends(lifecycle) => ProvidedState::Deleting,
            (_, Some("shutting-down" | "terminated" | "stopping" | "stopped")) => ProvidedState::Deleting,
            ("InService" | "Standby", Some("running")) => ProvidedState::Running,
            _ => ProvidedState::Creating,
        }
    }
}

impl Group {
    /// The group in the answer to `DescribeAutoScalingGroups`; `None` when there is none.
    pub(super) fn read(answer: &str) -> Result<Option<Self>, String> {
        let document = Document::parse(answer).map_err(|error| error.to_string())?;
        let lists = document.descendants().find(|node| node.has_tag_name_of("AutoScalingGroups"));
        let Some(group) = lists.ok_or("it has no AutoScalingGroups")?.elements().next() else { return Ok(None) };
        let member = |node: Node<'_, '_>| {
            let (zone, lifecycle) = (node.text_of("AvailabilityZone")?, node.text_of("LifecycleState")?);
            Some((node.text_of("InstanceId")?, Member { zone, lifecycle }))
        };
        let desired = group.text_of("DesiredCapacity").and_then(|number| number.parse().ok());
        Ok(Some(Self {
            desired: desired.ok_or("it has no DesiredCapacity")?,
            members: group.items("Instances").filter_map(member).collect(),
        }))
    }
}

impl Page {
    /// The machines in an answer to `DescribeInstances`.
    pub(super) fn read(answer: &str) -> Result<Self, String> {
        let document = Document::parse(answer).map_err(|error| error.to_string())?;
        let top = document.root_element();
        let machine = |node: Node<'_, '_>| {
            let address = node.text_of("privateIpAddress").or_else(|| node.text_of("ipv6Address"));
            let tag = |tag: Node<'_, '_>| Some((tag.text_of("key")?, tag.text_of("value").unwrap_or_default()));
            let launched: Option<jiff::Timestamp> = node.text_of("launchTime").and_then(|time| time.parse().ok());
            let machine = Machine {
                address: address.and_then(|address| address.parse().ok()),
                state: node.child("instanceState").and_then(|state| state.text_of("name")).unwrap_or_default(),
                launched: launched.and_then(|time| time.as_duration().try_into().ok()).map(Timestamp::from_epoch),
                tags: node.items("tagSet").filter_map(tag).collect(),
            };
            Some((node.text_of("instanceId")?, machine))
        };
        let machines = top.items("reservationSet").flat_map(|reservation| reservation.items("instancesSet"));
        Ok(Self {
            machines: machines.filter_map(machine).collect(),
            next: top.text_of("nextToken").filter(|next| !next.is_empty()),
        })
    }
}

/// Code and message of an answer that says what is wrong.
pub(super) fn failure(answer: &str) -> Option<(String, String)> {
    let document = Document::parse(answer).ok()?;
    let error = document.descendants().find(|node| node.has_tag_name_of("Error"))?;
    Some((error.text_of("Code")?, error.text_of("Message").unwrap_or_default()))
}

/// Looks at elements by their names alone: each API has a namespace of its own, which changes with its version.
trait Elements<'a, 'input: 'a>: Sized {
    fn has_tag_name_of(&self, name: &str) -> bool;
    fn elements(self) -> impl Iterator<Item = Node<'a, 'input>>;
    fn child(self, name: &str) -> Option<Node<'a, 'input>>;
    fn text_of(self, name: &str) -> Option<String>;
    /// What is in the list of that name.
    fn items(self, name: &str) -> impl Iterator<Item = Node<'a, 'input>>;
}

impl<'a, 'input: 'a> Elements<'a, 'input> for Node<'a, 'input> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }

    fn elements(self) -> impl Iterator<Item = Node<'a, 'input>> {
        self.children().filter(Node::is_element)
    }

    fn child(self, name: &str) -> Option<Node<'a, 'input>> {
        self.elements().find(|node| node.has_tag_name_of(name))
    }

    fn text_of(self, name: &str) -> Option<String> {
        Some(self.child(name)?.text().unwrap_or_default().to_owned())
    }

    fn items(self, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.child(name).into_iter().flat_map(Elements::elements)
    }
}
