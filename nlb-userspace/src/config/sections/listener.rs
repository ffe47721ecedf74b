//! `[[listener]]`.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::{access, name, quic};
use crate::config::address;
use crate::config::error::Reported;
use crate::config::ports;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{
    Access, GroupShare, InvalidShare, Listener, Name, NewFlowLimit, Ports, Protocol, Quic, ServedBy, Weight,
};

/// A group that serves a listener, and its weight where there are several.
pub(in crate::config) type ReadShare = (Spanned<Name>, Option<Weight>);

/// A listener as far as it could be read.
#[derive(Debug)]
pub(in crate::config) struct ReadListener {
    /// Where its header stands.
    pub(in crate::config) span: Range<usize>,
    /// As written, or made of protocol, address and ports.
    pub(in crate::config) name: Result<Spanned<Name>, Reported>,
    /// The VIP, or the address of a gateway's network.
    pub(in crate::config) address: Result<Spanned<IpAddr>, Reported>,
    /// Length of that network's prefix; none for a VIP.
    pub(in crate::config) prefix_length: Option<u8>,
    pub(in crate::config) protocol: Result<Protocol, Reported>,
    pub(in crate::config) ports: Result<Spanned<Ports>, Reported>,
    /// The groups that serve it, each with its share where there are several.
    pub(in crate::config) groups: Result<Vec<ReadShare>, Reported>,
    pub(in crate::config) access: Result<Access, Reported>,
    pub(in crate::config) new_flows: Result<Option<NewFlowLimit>, Reported>,
    pub(in crate::config) quic: Result<Option<Quic>, Reported>,
}

/// Reads one `[[listener]]`.
pub(in crate::config) fn listener(table: &Table<'_>) -> ReadListener {
    let address = table.require("address");
    let protocol = table.require("protocol").and_then(|value| value.one_of(&Protocol::NAMES));
    let is_gateway = protocol.is_ok_and(|protocol| protocol == Protocol::All);
    let (address, prefix_length) = if is_gateway {
        let network = address.and_then(|value| value.parsed(address::network));
        let length = network.as_ref().ok().map(|network| network.get_ref().prefix_len());
        (network.map(|network| Spanned::new(network.span(), network.get_ref().addr())), length)
    } else {
        (address.and_then(|value| value.parsed(address::unicast)), None)
    };
    let ports = table.require("port").and_then(if is_gateway { every_port } else { ports::ports });
    let access = access::access(table)
        .and_then(|access| if is_gateway { unguarded(table).map(|()| access) } else { Ok(access) });
    let new_flows =
        access::new_flow_limit(table).and_then(|limit| match (table.get("new_flows_per_source"), &protocol) {
            (Some(value), Ok(protocol)) if *protocol != Protocol::Tcp => {
                let message =
                    format!("is for TCP, whose packets say that a flow begins; this listener's is {protocol}");
                Err(value.wrong(Complaint::new(message).help("take it out")))
            }
            _ => Ok(limit),
        });
    let default_name = || {
        let address = *address.as_ref().map_err(|&reported| reported)?.get_ref();
        let ports = *ports.as_ref().map_err(|&reported| reported)?.get_ref();
        Ok(Spanned::new(table.span(), Listener::default_name(protocol?, address, prefix_length, ports)))
    };
    let name = table.optional("name", name).and_then(|name| name.map_or_else(default_name, Ok));
    let (span, groups) = (table.span(), groups(table));
    let quic = quic::quic(table, protocol);
    ReadListener { span, name, address, prefix_length, protocol, ports, groups, access, new_flows, quic }
}

/// The ports of a gateway, which has all of them.
#[expect(clippy::needless_pass_by_value, reason = "passed to `Result::and_then`, which gives the value away")]
fn every_port(value: Value<'_>) -> Result<Spanned<Ports>, Reported> {
    let ports = ports::ports(value.clone())?;
    if *ports.get_ref() == Ports::ALL {
        return Ok(ports);
    }
    let complaint = Complaint::new("must be \"all\" where the protocol is: a packet may have no port");
    Err(value.wrong(complaint.help("write port = \"all\"")))
}

/// Refuses what guards a listener: a gateway's packets have passed the routes to it, and go to appliances that look at them.
fn unguarded(table: &Table<'_>) -> Result<(), Reported> {
    let keys = ["allow", "deny", "allow_file", "deny_file"];
    let mut guarded = Ok(());
    for value in keys.iter().filter_map(|&key| table.get(key)) {
        let complaint = Complaint::new("is for listeners of a protocol: a gateway takes whatever is routed through it");
        guarded = Err(value.wrong(complaint.help("take it out; who may pass is for the appliances to say")));
    }
    guarded
}

/// `target_group` or `target_groups`.
fn groups(table: &Table<'_>) -> Result<Vec<ReadShare>, Reported> {
    match (table.optional("target_group", name)?, table.optional("target_groups", |value| value.list())?) {
        (Some(one), None) => Ok(vec![(one, None)]),
        (None, Some(shares)) => {
            let read: Vec<_> = shares.iter().map(share).collect();
            if read.is_empty() {
                return Err(table.wrong(
                    Complaint::new("`target_groups` is empty").help("name a group with its weight: \"blue=100\""),
                ));
            }
            read.into_iter().collect()
        }
        (None, None) => {
            let help =
                "add `target_group = \"web\"`, or several by weight: `target_groups = [\"blue=90\", \"green=10\"]`";
            Err(table.wrong(Complaint::new("`[[listener]]` needs `target_group` or `target_groups`").help(help)))
        }
        (Some(_), Some(_)) => {
            let help = "keep `target_groups`, and name that group there too";
            Err(table.wrong(Complaint::new("`[[listener]]` has `target_group` and `target_groups`").help(help)))
        }
    }
}

/// A group and its weight: `blue=90`.
fn share(value: &Value<'_>) -> Result<(Spanned<Name>, Option<Weight>), Reported> {
    let read = value.parsed(|text| {
        let help = format!("write it like \"blue=90\", with a weight from 0 to {}", Weight::MAX);
        let complaint = || Complaint::new(format!("names no group with a weight: {text:?}")).help(help);
        text.parse::<GroupShare>().map_err(|InvalidShare| complaint())
    })?;
    let span = read.span();
    let GroupShare { group, weight } = read.into_inner();
    Ok((Spanned::new(span, group), Some(weight)))
}

fn served_by(groups: Vec<(Spanned<Name>, Option<Weight>)>) -> ServedBy {
    match <[_; 1]>::try_from(groups) {
        Ok([(name, None)]) => ServedBy::Group(name.into_inner()),
        Ok(several) => shares(several.into()),
        Err(several) => shares(several),
    }
}

fn shares(groups: Vec<(Spanned<Name>, Option<Weight>)>) -> ServedBy {
    let share = |(name, weight): (Spanned<Name>, Option<Weight>)| GroupShare {
        group: name.into_inner(),
        weight: weight.unwrap_or_default(),
    };
    ServedBy::Shares(groups.into_iter().map(share).collect())
}

impl ReadListener {
    /// The VIP, if that could be read; a gateway has none.
    pub(in crate::config) fn vip(&self) -> Option<&Spanned<IpAddr>> {
        self.address.as_ref().ok().filter(|_| self.prefix_length.is_none())
    }

    /// The listener, if all of it could be read.
    pub(in crate::config) fn complete(self) -> Result<Listener, Reported> {
        Ok(Listener {
            name: self.name?.into_inner(),
            address: self.address?.into_inner(),
            prefix_length: self.prefix_length,
            protocol: self.protocol?,
            ports: self.ports?.into_inner(),
            served_by: served_by(self.groups?),
            access: self.access?,
            new_flows: self.new_flows?,
            quic: self.quic?,
        })
    }
}
