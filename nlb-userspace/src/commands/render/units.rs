//! Numbers and times as people read them.

use std::time::Duration;

/// A time span in its two largest units: `3d 4h`, `12m 5s`, `8s`.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let first = units.iter().position(|(_, value)| *value > 0).unwrap_or(3);
    let shown = units.iter().skip(first).take(2).filter(|(_, value)| *value > 0);
    let text: Vec<_> = shown.map(|(unit, value)| format!("{value}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text.join(" ") }
}

/// A number with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second with three digits and its prefix: `1.23 M`.
pub fn rate(per_second: f64) -> String {
    let (scaled, prefix) = scale(per_second);
    format!("{}{prefix}", digits(scaled))
}

/// Bytes a second as bits a second: `9.81 Gbit/s`.
pub fn bits(bytes_per_second: f64) -> String {
    let (scaled, prefix) = scale(bytes_per_second * 8.0);
    let space = if prefix.is_empty() { " " } else { "" };
    format!("{}{space}{prefix}bit/s", digits(scaled))
}

/// A share from 0 to 1 as ten blocks.
pub fn bar(share: f64) -> String {
    const WIDTH: usize = 10;
    let filled =
        (0..WIDTH).filter(|&index| share > 0.0 && share >= (f64::from(u8::try_from(index).unwrap_or(0)) + 0.5) / 10.0);
    let filled = filled.count();
    "█".repeat(filled) + &"░".repeat(WIDTH - filled)
}

/// `1 target`, `2 targets`.
pub fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn scale(value: f64) -> (f64, &'static str) {
    const PREFIXES: [&str; 5] = ["", " k", " M", " G", " T"];
    let mut scaled = value;
    let mut index = 0;
    while scaled >= 999.5 && index + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        index += 1;
    }
    (scaled, PREFIXES[index])
}

fn digits(value: f64) -> String {
    match value {
        value if value >= 99.95 || value == 0.0 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
