//! Properties of units that a template may set: what a service is run as, and its limits.

use serde_json::Value as Given;
use zbus::zvariant::Value;

use crate::providers::ProviderError;
use crate::providers::settings::Settings;

/// How a property is written in the settings, and goes over the bus.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Bytes, or a number of things.
    Amount,
    /// Percent of one processor; microseconds of its time in a second.
    Quota,
    /// 1 to 10000.
    Weight,
    /// A number of that range.
    Signed(i32, i32),
    /// Yes or no.
    Flag,
    /// A name, or a path.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// As it is written, as it is sent, and what it is (systemd.exec(5), systemd.resource-control(5), systemd.service(5)). None
/// of them changes what the provider sets itself, and none names a program.
const KNOWN: &[(&str, &str, Kind)] = &[
    ("CPUQuota", "CPUQuotaPerSecUSec", Kind::Quota),
    ("CPUWeight", "CPUWeight", Kind::Weight),
    ("DynamicUser", "DynamicUser", Kind::Flag),
    ("Group", "Group", Kind::Text),
    ("IOWeight", "IOWeight", Kind::Weight),
    ("LimitNOFILE", "LimitNOFILE", Kind::Amount),
    ("MemoryHigh", "MemoryHigh", Kind::Amount),
    ("MemoryMax", "MemoryMax", Kind::Amount),
    ("MemorySwapMax", "MemorySwapMax", Kind::Amount),
    ("Nice", "Nice", Kind::Signed(-20, 19)),
    ("NoNewPrivileges", "NoNewPrivileges", Kind::Flag),
    ("OOMScoreAdjust", "OOMScoreAdjust", Kind::Signed(-1000, 1000)),
    ("PrivateDevices", "PrivateDevices", Kind::Flag),
    ("PrivateTmp", "PrivateTmp", Kind::Flag),
    ("ProtectHome", "ProtectHome", Kind::OneOf(&["yes", "no", "read-only", "tmpfs"])),
    ("ProtectSystem", "ProtectSystem", Kind::OneOf(&["yes", "no", "full", "strict"])),
    ("Slice", "Slice", Kind::Text),
    ("TasksMax", "TasksMax", Kind::Amount),
    ("Type", "Type", Kind::OneOf(&["exec", "notify", "simple"])),
    ("User", "User", Kind::Text),
    ("WorkingDirectory", "WorkingDirectory", Kind::Text),
];

/// The properties that `settings` ask for, as they are sent.
pub(super) fn properties(settings: Settings<'_>) -> Result<Vec<(String, Value<'static>)>, ProviderError> {
    let Some(table) = settings.0.settings.get("properties") else { return Ok(Vec::new()) };
    let table = table
        .as_object()
        .ok_or_else(|| settings.wrong("properties", "is no table: write { MemoryMax = \"512M\", User = \"shop\" }"))?;
    table.iter().map(|(name, given)| property(settings, name, given)).collect()
}

fn property(settings: Settings<'_>, name: &str, given: &Given) -> Result<(String, Value<'static>), ProviderError> {
    let Some((_, sent, kind)) = KNOWN.iter().find(|(known, ..)| *known == name) else {
        let known = KNOWN.iter().map(|(known, ..)| *known).collect::<Vec<_>>().join(", ");
        return Err(
            settings.wrong("properties", format!("has {name}, which is none that may be set: there are {known}"))
        );
    };
    let value = kind.value(given);
    let value =
        value.ok_or_else(|| settings.wrong("properties", format!("has {name} = {given}: give {}", kind.right())))?;
    Ok(((*sent).to_owned(), value))
}

impl Kind {
    fn value(self, given: &Given) -> Option<Value<'static>> {
        Some(match self {
            Self::Amount => amount(given)?.into(),
            Self::Quota => {
                let percent: u64 = given.as_str()?.strip_suffix('%')?.parse().ok()?;
                (1..=1_000_000).contains(&percent).then_some(percent * 10_000)?.into()
            }
            Self::Weight => given.as_u64().filter(|weight| (1..=10_000).contains(weight))?.into(),
            Self::Signed(least, most) => {
                let number = i32::try_from(given.as_i64()?).ok()?;
                (least..=most).contains(&number).then_some(number)?.into()
            }
            Self::Flag => given.as_bool()?.into(),
            Self::Text => given.as_str().filter(|text| !text.is_empty())?.to_owned().into(),
            Self::OneOf(words) => (*words.iter().find(|word| given.as_str() == Some(**word))?).into(),
        })
    }

    fn right(self) -> String {
        match self {
            Self::Amount => "a whole number, \"512M\" (K, M, G or T of 1024) or \"infinity\"".to_owned(),
            Self::Quota => "percent of one processor, as \"150%\"".to_owned(),
            Self::Weight => "a whole number, 1 to 10000".to_owned(),
            Self::Signed(least, most) => format!("a whole number, {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Text => "a text in quotes".to_owned(),
            Self::OneOf(words) => format!("one of \"{}\"", words.join("\", \"")),
        }
    }
}

fn amount(given: &Given) -> Option<u64> {
    let Some(text) = given.as_str() else { return given.as_u64() };
    if text == "infinity" {
        return Some(u64::MAX);
    }
    let places = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let (digits, shift) =
        places.iter().find_map(|(letter, shift)| Some((text.strip_suffix(*letter)?, *shift))).unwrap_or((text, 0));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_and_quotas_are_sent_as_the_manager_counts_them() {
        for (kind, given, sent) in [
            (Kind::Amount, json!("512M"), Some(Value::U64(512 << 20))),
            (Kind::Amount, json!("1T"), Some(Value::U64(1 << 40))),
            (Kind::Amount, json!(4096), Some(Value::U64(4096))),
            (Kind::Amount, json!("infinity"), Some(Value::U64(u64::MAX))),
            (Kind::Amount, json!("99999999999T"), None),
            (Kind::Amount, json!("-1"), None),
            (Kind::Quota, json!("150%"), Some(Value::U64(1_500_000))),
            (Kind::Quota, json!("0%"), None),
            (Kind::Quota, json!(150), None),
            (Kind::Signed(-20, 19), json!(-20), Some(Value::I32(-20))),
            (Kind::Signed(-20, 19), json!(20), None),
            (Kind::OneOf(&["a", "b"]), json!("b"), Some("b".into())),
            (Kind::OneOf(&["a", "b"]), json!("c"), None),
        ] {
            assert_eq!(kind.value(&given), sent, "{kind:?} {given}");
        }
    }
}
