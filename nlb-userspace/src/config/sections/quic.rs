//! `[listener.quic]`, and a target's `quic_server_id`.

use nlb_common::quic::{LARGEST_ROTATION, LONGEST_SERVER_ID};
use toml::Spanned;

use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{Protocol, Quic, QuicServerId};

/// How the servers of the listener of `table` make connection ids.
pub(super) fn quic(table: &Table<'_>, protocol: Result<Protocol, Reported>) -> Result<Option<Quic>, Reported> {
    let Some(section) = table.table("quic")? else { return Ok(None) };
    let length = section.require("server_id_length").and_then(|value| value.integer(1..=LONGEST_SERVER_ID));
    let rotation = section.optional("config_rotation", |value| value.integer(0..=LARGEST_ROTATION));
    if let (Some(value), Ok(protocol @ (Protocol::Tcp | Protocol::Sctp))) = (table.get("quic"), protocol) {
        let message = format!("is for QUIC, which is carried by UDP; this listener's protocol is {protocol}");
        return Err(value.wrong(Complaint::new(message).help("take it out, or set `protocol = \"udp\"`")));
    }
    Ok(Some(Quic { server_id_length: length?, config_rotation: rotation?.unwrap_or_default() }))
}

/// A server's id.
#[expect(clippy::needless_pass_by_value, reason = "passed to `Table::optional`, which gives the value away")]
pub(super) fn server_id(value: Value<'_>) -> Result<Spanned<QuicServerId>, Reported> {
    value.parsed(|text| {
        text.parse().map_err(|error: crate::model::InvalidServerId| {
            Complaint::new(format!("is no server id: {text:?}")).help(error.to_string())
        })
    })
}
