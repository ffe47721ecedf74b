//! `[[target_group.target]]`, and the short form in `targets`.

use std::net::IpAddr;
use std::ops::Range;

use toml::Spanned;

use super::{PORTS, name, quic};
use crate::config::address;
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{Name, QuicServerId, Target, Weight};

/// A target as far as it could be read.
#[derive(Debug)]
pub(in crate::config) struct ReadTarget {
    /// Where it begins.
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) address: Result<Spanned<IpAddr>, Reported>,
    pub(in crate::config) port: Result<u16, Reported>,
    zone: Result<Option<Name>, Reported>,
    weight: Result<Weight, Reported>,
    pub(in crate::config) quic_server_id: Result<Option<Spanned<QuicServerId>>, Reported>,
}

/// Reads one `[[target_group.target]]`; `default_port` is the group's.
pub(super) fn target(table: &Table<'_>, default_port: Result<Option<u16>, Reported>) -> ReadTarget {
    let own_port = table.optional("port", |value| value.integer(PORTS));
    let weight = table.optional("weight", |value| value.integer(0..=Weight::MAX));
    ReadTarget {
        span: table.span(),
        address: table.require("address").and_then(|value| value.parsed(address::unicast)),
        port: port(own_port, default_port, |help| {
            table.wrong(Complaint::new("`[[target_group.target]]` has no `port`").help(help))
        }),
        zone: table.optional("zone", name).map(|zone| zone.map(Spanned::into_inner)),
        weight: weight.map(|weight| weight.and_then(Weight::new).unwrap_or_default()),
        quic_server_id: table.optional("quic_server_id", quic::server_id),
    }
}

/// Reads one element of `targets`; `default_port` is the group's.
pub(super) fn short(value: &Value<'_>, default_port: Result<Option<u16>, Reported>) -> ReadTarget {
    let read = value.parsed(address::target).map(Spanned::into_inner);
    ReadTarget {
        span: value.span(),
        address: read.map(|(address, _)| Spanned::new(value.span(), address)),
        port: read.and_then(|(_, own_port)| {
            port(Ok(own_port), default_port, |help| {
                value.wrong(Complaint::new("names a target without a port").help(help))
            })
        }),
        zone: Ok(None),
        weight: Ok(Weight::default()),
        quic_server_id: Ok(None),
    }
}

fn port(
    own: Result<Option<u16>, Reported>,
    default: Result<Option<u16>, Reported>,
    wrong: impl FnOnce(&str) -> Reported,
) -> Result<u16, Reported> {
    match own? {
        Some(port) => Ok(port),
        None => default?.ok_or_else(|| wrong("give the target a port, or its group a `port` for all that have none")),
    }
}

impl ReadTarget {
    /// Stands for targets that could not be read.
    pub(super) fn unreadable(span: Range<usize>, reported: Reported) -> Self {
        let (address, port) = (Err(reported), Err(reported));
        Self { span, address, port, zone: Err(reported), weight: Err(reported), quic_server_id: Err(reported) }
    }

    /// The target, if all of it could be read.
    pub(super) fn complete(self) -> Result<Target, Reported> {
        Ok(Target {
            address: self.address?.into_inner(),
            port: self.port?,
            zone: self.zone?,
            weight: self.weight?,
            quic_server_id: self.quic_server_id?.map(Spanned::into_inner),
        })
    }
}
