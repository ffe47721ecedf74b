//! A listener's `allow`, `deny`, `allow_file`, `deny_file` and `[listener.new_flows_per_source]`.

use std::num::NonZero;
use std::path::PathBuf;

use ipnet::IpNet;

use super::LONGEST_PATH;
use crate::config::address;
use crate::config::error::Reported;
use crate::config::file::read_text;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{Access, Networks, NewFlowLimit};

/// The largest rate, and the largest burst.
const MOST_FLOWS: u32 = 1_000_000;

/// Who may reach the listener of `table`.
pub(super) fn access(table: &Table<'_>) -> Result<Access, Reported> {
    let allow = table.optional("allow", |value| listed(&value));
    let deny = table.optional("deny", |value| listed(&value));
    let allow_file = table.optional("allow_file", |value| in_file(&value));
    let deny_file = table.optional("deny_file", |value| in_file(&value));
    let (allow, deny, allow_file, deny_file) = (allow?, deny?, allow_file?, deny_file?);
    let split =
        |file: Option<(PathBuf, Vec<IpNet>)>| file.map_or((None, Vec::new()), |(path, held)| (Some(path), held));
    let ((allow_path, allowed), (deny_path, denied)) = (split(allow_file), split(deny_file));
    let allow = Networks { listed: allow, file: allow_path };
    let deny = Networks { listed: deny, file: deny_path };
    Ok(Access::new(allow, deny, &allowed, &denied))
}

/// The networks of a list; each wrong one is noted.
fn listed(value: &Value<'_>) -> Result<Vec<IpNet>, Reported> {
    let read: Vec<_> = value.list()?.iter().map(|item| item.parsed(address::network)).collect();
    read.into_iter().map(|network| network.map(toml::Spanned::into_inner)).collect()
}

/// The networks of the file that the value names: one a line, `#` begins a comment.
fn in_file(value: &Value<'_>) -> Result<(PathBuf, Vec<IpNet>), Reported> {
    let path = value.path(LONGEST_PATH)?;
    let text = read_text(&path).map_err(|error| value.wrong(Complaint::new(format!("cannot be read: {error}"))))?;
    let networks = networks(&text).map_err(|Wrong { line, complaint, more }| {
        let others = if more == 0 { String::new() } else { format!(", and {more} more lines are wrong") };
        let message = format!("{}:{line}: {}{others}", path.display(), complaint.message);
        value.wrong(Complaint { message: format!("names a file with a wrong line: {message}"), ..complaint })
    })?;
    Ok((path, networks))
}

/// The first wrong line of a file, and how many more there are.
#[derive(Debug)]
struct Wrong {
    line: usize,
    complaint: Complaint,
    more: usize,
}

fn networks(text: &str) -> Result<Vec<IpNet>, Wrong> {
    let mut networks = Vec::new();
    let mut wrong: Option<Wrong> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let network = line.split('#').next().unwrap_or_default().trim();
        if network.is_empty() {
            continue;
        }
        match (address::network(network), &mut wrong) {
            (Ok(network), _) => networks.push(network),
            (Err(_), Some(wrong)) => wrong.more += 1,
            (Err(complaint), None) => wrong = Some(Wrong { line: number, complaint, more: 0 }),
        }
    }
    wrong.map_or(Ok(networks), Err)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_network_a_line_and_comments() {
        let text = "# blocked\n10.0.0.0/8 # ours\n\n  192.0.2.1\r\n2001:db8::/32\n";
        let read: Vec<String> = networks(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(read, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
    }

    #[test]
    fn the_first_wrong_line_is_told_and_how_many_follow() {
        let Wrong { line, complaint, more } =
            networks("10.0.0.0/8\n10.0.0.0/33\n# fine\nten\n10.0.0.1/8\n").unwrap_err();
        assert_eq!((line, more), (2, 2));
        assert!(complaint.message.contains("10.0.0.0/33"), "{}", complaint.message);
    }
}
