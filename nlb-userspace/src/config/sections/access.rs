//! A listener's `allow`, `deny`, `allow_file`, `deny_file` and `[listener.new_flows_per_source]`.

use std::num::NonZero;

use ipnet::IpNet;
use toml::Spanned;

use super::LONGEST_PATH;
use crate::config::address;
use crate::config::error::Reported;
use crate::config::reader::{Table, Value};
use crate::model::{Access, Networks, NewFlowLimit};

/// The largest rate, and the largest burst.
const MOST_FLOWS: u32 = 1_000_000;

/// Who may reach the listener of `table`, as far as files don't say more.
pub(super) fn access(table: &Table<'_>) -> Result<Access, Reported> {
    let allow = table.optional("allow", |value| listed(&value));
    let deny = table.optional("deny", |value| listed(&value));
    let allow_file = table.optional("allow_file", |value| value.path(LONGEST_PATH));
    let deny_file = table.optional("deny_file", |value| value.path(LONGEST_PATH));
    let allow = Networks { listed: allow?, file: allow_file? };
    let deny = Networks { listed: deny?, file: deny_file? };
    Ok(Access::new(allow, deny, &[], &[]))
}

/// The networks of a list; each wrong one is noted.
fn listed(value: &Value<'_>) -> Result<Vec<IpNet>, Reported> {
    let read: Vec<_> = value.list()?.iter().map(|item| item.parsed(address::network)).collect();
    read.into_iter().map(|network| network.map(Spanned::into_inner)).collect()
}

/// How many flows each source may begin at the listener of `table`.
pub(super) fn new_flow_limit(table: &Table<'_>) -> Result<Option<NewFlowLimit>, Reported> {
    let Some(table) = table.table("new_flows_per_source")? else { return Ok(None) };
    let number = |value: Value<'_>| value.integer(1..=MOST_FLOWS);
    let rate = table.require("rate").and_then(number);
    let burst = table.optional("burst", number);
    let prefix_v4 = table.optional("prefix_v4", |value| value.integer(8_u8..=32));
    let prefix_v6 = table.optional("prefix_v6", |value| value.integer(16_u8..=128));
    let (rate, burst) = (rate?, burst?);
    let positive = |number: u32| NonZero::new(number).unwrap_or(NonZero::<u32>::MIN);
    Ok(Some(NewFlowLimit {
        rate: positive(rate),
        burst: positive(burst.unwrap_or(rate)),
        prefix_v4: prefix_v4?.unwrap_or(32),
        prefix_v6: prefix_v6?.unwrap_or(64),
    }))
}
