//! `[[vip]]`.

use std::net::IpAddr;

use toml::Spanned;

use crate::config::address;
use crate::config::error::Reported;
use crate::config::reader::Table;
use crate::model::Vip;

/// A VIP as far as it could be read.
#[derive(Debug)]
pub(in crate::config) struct ReadVip {
    pub(in crate::config) address: Result<Spanned<IpAddr>, Reported>,
    exclusive: Result<bool, Reported>,
}

/// Reads one `[[vip]]`.
pub(in crate::config) fn vip(table: &Table<'_>) -> ReadVip {
    ReadVip {
        address: table.require("address").and_then(|value| value.parsed(address::unicast)),
        exclusive: table.optional("exclusive", |value| value.boolean()).map(Option::unwrap_or_default),
    }
}

impl ReadVip {
    /// The VIP, if all of it could be read.
    pub(in crate::config) fn complete(self) -> Result<Vip, Reported> {
        Ok(Vip { address: self.address?.into_inner(), exclusive: self.exclusive? })
    }
}
