//! Ports of a listener, as a file writes them.

use toml::Spanned;

use super::error::Reported;
use super::reader::{Complaint, Value};
use crate::model::Ports;

/// One port as a number, several as text.
#[expect(clippy::needless_pass_by_value, reason = "passed to `Result::and_then`, which gives the value away")]
pub(super) fn ports(value: Value<'_>) -> Result<Spanned<Ports>, Reported> {
    if value.as_integer().is_some() {
        return Ok(Spanned::new(value.span(), value.integer(1..=u16::MAX)?.into()));
    }
    value.parsed(|text| {
        if text.parse::<u16>().is_ok() {
            return Err(Complaint::new("must be an integer, or text for several ports")
                .help(format!("write it without quotes: {text}")));
        }
        let help = "write one port as 80, a range as \"8000-8099\", every port as \"all\"";
        text.parse().map_err(|_| Complaint::new(format!("names no ports: {text:?}")).help(help))
    })
}
