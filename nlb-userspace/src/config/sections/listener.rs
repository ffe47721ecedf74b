//! `[[listener]]`.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::{access, name};
use crate::config::address;
use crate::config::error::Reported;
use crate::config::ports;
use crate::config::reader::{Complaint, Table};
use crate::model::{Access, Listener, Name, NewFlowLimit, Ports, Protocol};

/// A listener as far as it could be read.
#[derive(Debug)]
pub(in crate::config) struct ReadListener {
    /// Where its header stands.
    pub(in crate::config) span: Range<usize>,
    /// As written, or made of protocol, address and ports.
    pub(in crate::config) name: Result<Spanned<Name>, Reported>,
    pub(in crate::config) address: Result<Spanned<IpAddr>, Reported>,
    pub(in crate::config) protocol: Result<Protocol, Reported>,
    pub(in crate::config) ports: Result<Spanned<Ports>, Reported>,
    pub(in crate::config) group: Result<Spanned<Name>, Reported>,
    pub(in crate::config) access: Result<Access, Reported>,
    pub(in crate::config) new_flows: Result<Option<NewFlowLimit>, Reported>,
}

/// Reads one `[[listener]]`.
pub(in crate::config) fn listener(table: &Table<'_>) -> ReadListener {
    let words = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    let address = table.require("address").and_then(|value| value.parsed(address::unicast));
    let protocol = table.require("protocol").and_then(|value| value.one_of(&words));
    let ports = table.require("port").and_then(ports::ports);
    let access = access::access(table);
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
        Ok(Spanned::new(table.span(), Listener::default_name(protocol?, address, ports)))
    };
    let name = table.optional("name", name).and_then(|name| name.map_or_else(default_name, Ok));
    ReadListener {
        span: table.span(),
        name,
        address,
        protocol,
        ports,
        group: table.require("target_group").and_then(super::name),
        access,
        new_flows,
    }
}

impl ReadListener {
    /// The listener, if all of it could be read.
    pub(in crate::config) fn complete(self) -> Result<Listener, Reported> {
        Ok(Listener {
            name: self.name?.into_inner(),
            address: self.address?.into_inner(),
            protocol: self.protocol?,
            ports: self.ports?.into_inner(),
            group: self.group?.into_inner(),
            access: self.access?,
            new_flows: self.new_flows?,
        })
    }
}
