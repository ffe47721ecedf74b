//! `[target_group.health_check]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{PORTS, within};
use crate::config::duration;
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table, Value};
use crate::model::{CodeRange, HealthCheck, Probe};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(300);
const THRESHOLD: RangeInclusive<u32> = 1..=10;
/// As much of the body as a check reads.
const LONGEST_BODY: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Http,
    Https,
}

/// Reads `[target_group.health_check]`.
pub(super) fn health_check(table: &Table<'_>) -> Result<HealthCheck, Reported> {
    let defaults = HealthCheck::default();
    let probe = probe(table);
    let port = table.optional("port", |value| value.integer(PORTS));
    let healthy_threshold = table.optional("healthy_threshold", |value| value.integer(THRESHOLD));
    let unhealthy_threshold = table.optional("unhealthy_threshold", |value| value.integer(THRESHOLD));

    let interval = table.optional("interval", |value| within(&value, INTERVAL));
    let interval = interval.map(|interval| interval.unwrap_or(defaults.interval));
    // A default gives way to a shorter interval; what is written must fit it.
    let at_most_interval = |key, range: RangeInclusive<Duration>, default: Duration| {
        let written = table.optional(key, |value| {
            let written = within(&value, range)?;
            if written > interval? {
                let interval = duration::show(interval?);
                let complaint = Complaint::new(format!("is {}, above the interval", duration::show(written)));
                return Err(value.wrong(complaint.help(format!("at most \"{interval}\", or a longer `interval`"))));
            }
            Ok(written)
        });
        written.and_then(|written| Ok(written.unwrap_or(default.min(interval?))))
    };
    let fast_interval = at_most_interval("fast_interval", INTERVAL, defaults.fast_interval);
    let timeout = at_most_interval("timeout", TIMEOUT, defaults.timeout);

    Ok(HealthCheck {
        probe: probe?,
        port: port?,
        interval: interval?,
        fast_interval: fast_interval?,
        timeout: timeout?,
        healthy_threshold: healthy_threshold?.unwrap_or(defaults.healthy_threshold),
        unhealthy_threshold: unhealthy_threshold?.unwrap_or(defaults.unhealthy_threshold),
    })
}

fn probe(table: &Table<'_>) -> Result<Probe, Reported> {
    let words = [("tcp", Kind::Tcp), ("http", Kind::Http), ("https", Kind::Https)];
    let kind = table.optional("kind", |value| value.one_of(&words)).map(|kind| kind.unwrap_or(Kind::Tcp));
    let path = table.optional("path", |value| text(&value, path));
    let host = table.optional("host", |value| text(&value, host));
    let codes = table.optional("codes", |value| text(&value, codes));
    let body = table.optional("body", |value| text(&value, body));
    let verify = table.optional("verify", |value| value.boolean());

    let kind = kind?;
    let (foreign, kinds): (&[_], _) = match kind {
        Kind::Tcp => (&["path", "host", "codes", "body", "verify"], "`kind = \"http\"` or `\"https\"`"),
        Kind::Http => (&["verify"], "`kind = \"https\"`"),
        Kind::Https => (&[], ""),
    };
    let mut misplaced = Ok(());
    for value in foreign.iter().filter_map(|&key| table.get(key)) {
        let kinds = if value.key() == "verify" { "`kind = \"https\"`" } else { kinds };
        let complaint = Complaint::new(format!("has a meaning with {kinds} only"));
        misplaced = Err(value.wrong(complaint.help("set the kind, or take this key out")));
    }
    misplaced?;

    Ok(match kind {
        Kind::Tcp => Probe::Tcp,
        Kind::Http | Kind::Https => Probe::Http {
            tls: kind == Kind::Https,
            verify: verify?.unwrap_or_default(),
            path: path?.unwrap_or_else(|| "/".to_owned()),
            host: host?,
            codes: codes?.unwrap_or_else(|| vec![CodeRange { first: 200, last: 399 }]),
            body: body?,
        },
    })
}

fn text<T>(value: &Value<'_>, parse: impl FnOnce(&str) -> Result<T, Complaint>) -> Result<T, Reported> {
    value.parsed(parse).map(toml::Spanned::into_inner)
}

/// A request target in origin form (RFC 9112, section 3.2.1).
fn path(text: &str) -> Result<String, Complaint> {
    if !text.starts_with('/') {
        return Err(Complaint::new(format!("is no path: {text:?}")).help("begin it with `/`"));
    }
    match text.chars().find(|&c| !c.is_ascii_graphic() || c == '#') {
        Some(c) => Err(Complaint::new(format!("holds {c:?}")).help("write it percent-encoded, as it is sent")),
        None => Ok(text.to_owned()),
    }
}

fn host(text: &str) -> Result<String, Complaint> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if (1..=255).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("is no host: {text:?}")).help("a name or an address, without `http://` and path"))
}

fn body(text: &str) -> Result<String, Complaint> {
    match text.len() {
        0 => Err(Complaint::new("is empty").help("leave it out to accept any body")),
        length if length > LONGEST_BODY => {
            Err(Complaint::new(format!("is {length} bytes long: a check reads {LONGEST_BODY} of the body")))
        }
        _ => Ok(text.to_owned()),
    }
}

/// `200-399`, or a list: `200,204,301-302`.
fn codes(text: &str) -> Result<Vec<CodeRange>, Complaint> {
    let code = |text: &str| text.trim().parse().ok().filter(|code| (100..=599).contains(code));
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (code(first), code(last)) else {
                let complaint = Complaint::new(format!("names no status codes: {:?}", part.trim()));
                return Err(complaint.help("codes from 100 to 599, like \"200-399\" or \"200,204,301-302\""));
            };
            if first > last {
                return Err(Complaint::new(format!("names a range that ends before it begins: {:?}", part.trim()))
                    .help(format!("write \"{last}-{first}\"")));
            }
            Ok(CodeRange { first, last })
        })
        .collect()
}
