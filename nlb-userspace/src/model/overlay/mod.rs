//! Changes made at run time, laid over the file's configuration.
//!
//! Runtime changes win over the file until the file makes them moot: a target registered at run time that the file has
//! now is the file's; a target deregistered or re-weighted at run time that the file no longer has is simply gone. So is
//! the weight of a group that no longer shares the listener.
//! What is moot never has an effect, whether [`Overlay::settle`] has dropped it yet or not.

mod settled;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use settled::{Moot, Settled, Was};
pub use shares::ShareKey;

use super::{Change, ChangeError, Configuration, Listener, Name, Target, TargetGroup, TargetKey, Weight};

/// Every change in force, by what it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    targets: BTreeMap<TargetKey, Overridden>,
    shares: BTreeMap<ShareKey, Weight>,
}

/// What differs from the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overridden {
    /// A target that the file does not have.
    Registered(Target),
    /// The file's target is not used.
    Deregistered,
    /// The file's target has this weight instead.
    Weight(Weight),
}

impl Overlay {
    /// The change of `target`, if there is one.
    pub fn get(&self, target: &TargetKey) -> Option<&Overridden> {
        self.targets.get(target)
    }

    /// All changes of targets.
    pub fn iter(&self) -> impl Iterator<Item = (&TargetKey, &Overridden)> {
        self.targets.iter()
    }

    /// The groups as they are to be: the file's targets in the file's order, then those registered at run time.
    pub fn apply(&self, file: &Configuration) -> Vec<TargetGroup> {
        file.groups
            .iter()
            .map(|group| {
                let mut of_group = self.of_group(&group.name).peekable();
                if of_group.peek().is_none() {
                    return group.clone();
                }
                let from_file = group.targets.iter().filter_map(|target| match self.get(&group.key(target)) {
                    Some(Overridden::Deregistered) => None,
                    Some(&Overridden::Weight(weight)) => Some(Target { weight, ..target.clone() }),
                    Some(Overridden::Registered(_)) | None => Some(target.clone()),
                });
                let at_run_time = of_group.filter_map(|(key, change)| match change {
                    Overridden::Registered(target) if moot(key, change, file).is_none() => Some(target.clone()),
                    _ => None,
                });
                TargetGroup { targets: from_file.chain(at_run_time).collect(), ..group.clone() }
            })
            .collect()
    }

    /// The changes of a group's targets.
    fn of_group<'a>(&'a self, group: &'a Name) -> impl Iterator<Item = (&'a TargetKey, &'a Overridden)> + 'a {
        let first = TargetKey { group: group.clone(), address: Ipv4Addr::UNSPECIFIED.into(), port: 0 };
        self.targets.range(first..).take_while(move |(key, _)| key.group == *group)
    }

    /// Adds `change`; on an error nothing is changed. Drains are kept elsewhere: here it is only seen whether their
    /// target is registered.
    pub fn record(&mut self, change: Change, file: &Configuration) -> Result<(), ChangeError> {
        match change {
            Change::Register { group, target } => self.register(group, target, file),
            Change::Deregister { target } => self.deregister(target, file),
            Change::SetWeight { target, weight } => self.set_weight(target, weight, file),
            Change::Drain { target } | Change::Undrain { target } => {
                self.find(&target, file)?.map(drop).ok_or_else(|| unknown(&target))
            }
            Change::SetShares { listener, shares } => self.set_shares(&listener, shares, file),
        }
    }

    fn register(&mut self, group: Name, target: Target, file: &Configuration) -> Result<(), ChangeError> {
        let key = TargetKey { group, address: target.address, port: target.port };
        if self.find(&key, file)?.is_some() {
            return Err(ChangeError::AlreadyRegistered { target: key });
        }
        if let Some(listener) = file.listeners.iter().find(|listener| listener.vip() == Some(target.address)) {
            return Err(ChangeError::IsListener { address: target.address, listener: listener.name.clone() });
        }
        let forwarding = file.group(&key.group).map(|group| group.forwarding).unwrap_or_default();
        let served = file.listeners.iter().filter(|listener| listener.served_by.is_by(&key.group));
        if let Some((listener, vip)) = served
            .filter_map(|listener| Some((listener, listener.vip()?)))
            .find(|&(_, vip)| !forwarding.can_answer(vip, target.address))
        {
            return Err(ChangeError::OtherFamily { target: target.address, listener: listener.name.clone(), vip });
        }
        self.check_room(file, 1)?;
        self.check_server_id(&key, file.target(&key).unwrap_or(&target), file)?;
        match file.target(&key) {
            None => {
                self.targets.insert(key, Overridden::Registered(target));
            }
            // It was deregistered at run time: that is undone, and what the file says of it holds again.
            Some(in_file) if target.zone.is_some() && target.zone != in_file.zone => {
                return Err(ChangeError::OtherZone { target: key, zone: in_file.zone.clone() });
            }
            Some(in_file) if target.quic_server_id.is_some() && target.quic_server_id != in_file.quic_server_id => {
                return Err(ChangeError::OtherServerId { target: key, id: in_file.quic_server_id.clone() });
            }
            Some(in_file) => self.override_weight(key, target.weight, in_file.weight),
        }
        Ok(())
    }

    fn deregister(&mut self, key: TargetKey, file: &Configuration) -> Result<(), ChangeError> {
        self.find(&key, file)?.ok_or_else(|| unknown(&key))?;
        if file.target(&key).is_some() {
            self.targets.insert(key, Overridden::Deregistered);
        } else {
            self.targets.remove(&key);
        }
        Ok(())
    }

    fn set_weight(&mut self, key: TargetKey, weight: Weight, file: &Configuration) -> Result<(), ChangeError> {
        let target = self.find(&key, file)?.ok_or_else(|| unknown(&key))?;
        match file.target(&key) {
            Some(in_file) => self.override_weight(key, weight, in_file.weight),
            None => {
                let registered = Target { weight, ..target.clone() };
                self.targets.insert(key, Overridden::Registered(registered));
            }
        }
        Ok(())
    }

    fn override_weight(&mut self, key: TargetKey, weight: Weight, in_file: Weight) {
        if weight == in_file {
            self.targets.remove(&key);
        } else {
            self.targets.insert(key, Overridden::Weight(weight));
        }
    }

    /// The target as far as its being there and its zone go; its weight may be overridden.
    fn find<'a>(&'a self, key: &TargetKey, file: &'a Configuration) -> Result<Option<&'a Target>, ChangeError> {
        if file.group(&key.group).is_none() {
            let known = file.groups.iter().map(|group| group.name.clone()).collect();
            return Err(ChangeError::UnknownGroup { group: key.group.clone(), known });
        }
        let change = self.targets.get(key).filter(|change| moot(key, change, file).is_none());
        Ok(match change {
            Some(Overridden::Registered(target)) => Some(target),
            Some(Overridden::Deregistered) => None,
            Some(Overridden::Weight(_)) | None => file.target(key),
        })
    }

    /// Whether the tables hold the file's targets with all changes, and `more` besides.
    pub fn check_room(&self, file: &Configuration, more: usize) -> Result<(), ChangeError> {
        let capacity = file.agent.capacity.targets;
        let in_file = file.groups.iter().map(|group| group.targets.len()).sum::<usize>();
        let (mut come, mut gone) = (more, 0);
        for (_, change) in self.targets.iter().filter(|(key, change)| moot(key, change, file).is_none()) {
            match change {
                Overridden::Registered(_) => come += 1,
                Overridden::Deregistered => gone += 1,
                Overridden::Weight(_) => {}
            }
        }
        let needed = in_file + come - gone;
        if u32::try_from(needed).is_ok_and(|needed| needed <= capacity) {
            Ok(())
        } else {
            Err(ChangeError::Full { what: "targets", capacity })
        }
    }

    /// Whether QUIC's connection ids can tell a target that is to be registered from all others of its listeners.
    fn check_server_id(&self, key: &TargetKey, target: &Target, file: &Configuration) -> Result<(), ChangeError> {
        let of_quic = |listener: &&Listener| listener.quic.is_some() && listener.served_by.is_by(&key.group);
        let mut listeners = file.listeners.iter().filter(of_quic).peekable();
        if listeners.peek().is_none() {
            return Ok(());
        }
        let groups = self.apply(file);
        for listener in listeners {
            let Some(quic) = listener.quic else { continue };
            let id = quic.server_id(target);
            if id.bytes().len() != usize::from(quic.server_id_length) {
                let (target, listener) = (key.clone(), listener.name.clone());
                return Err(ChangeError::ServerIdLength { target, id, listener, length: quic.server_id_length });
            }
            let served = groups.iter().filter(|group| listener.served_by.is_by(&group.name));
            let mut others = served.flat_map(|group| group.targets.iter().map(move |other| (group.key(other), other)));
            if let Some((other, _)) = others.find(|(other, known)| other != key && quic.server_id(known) == id) {
                return Err(ChangeError::SameServerId { target: key.clone(), id, other });
            }
        }
        Ok(())
    }

    /// Drops what `file` made moot, and says what that was.
    pub fn settle(&mut self, file: &Configuration) -> Vec<Settled> {
        let targets = self.targets.iter().filter_map(|(target, was)| {
            let because = moot(target, was, file)?;
            Some(Settled { was: Was::Target(target.clone(), was.clone()), because })
        });
        let shares = self.shares.iter().filter_map(|(share, &weight)| {
            let because = self.moot_share(share, weight, file)?;
            Some(Settled { was: Was::Share(share.clone(), weight), because })
        });
        let settled: Vec<_> = targets.chain(shares).collect();
        for Settled { was, .. } in &settled {
            match was {
                Was::Target(target, _) => drop(self.targets.remove(target)),
                Was::Share(share, _) => drop(self.shares.remove(share)),
            }
        }
        settled
    }
}

impl FromIterator<(TargetKey, Overridden)> for Overlay {
    fn from_iter<I: IntoIterator<Item = (TargetKey, Overridden)>>(changes: I) -> Self {
        Self { targets: changes.into_iter().collect(), shares: BTreeMap::new() }
    }
}

fn unknown(key: &TargetKey) -> ChangeError {
    ChangeError::UnknownTarget { group: key.group.clone(), address: key.address, port: key.port }
}

/// Why `change` has no effect over `file`, if it has none.
fn moot(key: &TargetKey, change: &Overridden, file: &Configuration) -> Option<Moot> {
    if file.group(&key.group).is_none() {
        return Some(Moot::GroupGone);
    }
    match (change, file.target(key)) {
        (Overridden::Registered(_), Some(_)) => Some(Moot::InFile),
        (Overridden::Registered(_), None) => {
            file.listeners.iter().any(|listener| listener.vip() == Some(key.address)).then_some(Moot::IsListener)
        }
        (Overridden::Deregistered | Overridden::Weight(_), None) => Some(Moot::NotInFile),
        (Overridden::Weight(weight), Some(target)) => (*weight == target.weight).then_some(Moot::SameWeight),
        (Overridden::Deregistered, Some(_)) => None,
    }
}
