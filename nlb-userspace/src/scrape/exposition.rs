//! Prometheus' text format, version 0.0.4, as far as it takes to read a few metrics of a page. Pure.
//!
//! Lines of other metrics are passed over; a line of a metric that is wanted is read strictly.

use std::borrow::Cow;

use super::ScrapeError;

/// One line of a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    /// In the page's order.
    pub(super) labels: Vec<(&'a str, Cow<'a, str>)>,
    pub(super) value: f64,
}

impl Sample<'_> {
    /// The value of a label; empty where it is missing, which means the same.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
    }
}

/// The samples of the metrics `wanted`, in the page's order.
pub(super) fn samples<'a>(page: &'a str, wanted: &[&str]) -> Result<Vec<Sample<'a>>, ScrapeError> {
    let mut samples = Vec::new();
    for (index, line) in page.lines().enumerate() {
        let (name, rest) = split_name(line.trim_start());
        if !wanted.contains(&name) {
            continue;
        }
        let malformed = || ScrapeError::Malformed { line: index + 1, text: line.chars().take(80).collect() };
        samples.push(sample(name, rest).ok_or_else(malformed)?);
    }
    Ok(samples)
}

fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !is_name(letter) && letter != ':').unwrap_or(text.len()))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// What follows a name: labels by wish, the value, the moment by wish.
fn sample<'a>(name: &'a str, rest: &'a str) -> Option<Sample<'a>> {
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(labels) => self::labels(labels)?,
        None if rest.starts_with([' ', '\t']) => (Vec::new(), rest),
        None => return None,
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next()?.parse().ok()?;
    let moment: Option<Result<i64, _>> = words.next().map(str::parse);
    let is_whole = moment.is_none_or(|moment| moment.is_ok()) && words.next().is_none();
    is_whole.then_some(Sample { name, labels, value })
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Labels up to the closing brace, and what is behind it. A comma may stand before the brace.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_at(rest.find(|letter| !is_name(letter))?);
        let quoted = after.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let (value, after) = quoted_text(quoted)?;
        if name.is_empty() {
            return None;
        }
        labels.push((name, value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// A text up to its closing quote, and what is behind that. `\\`, `\"` and `\n` stand for what they escape.
fn quoted_text(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text[end..].starts_with('"') {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_owned();
    let mut letters = text[end..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((Cow::Owned(value), &text[end + at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            }),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sample as another writer would put it.
    fn line(labels: &[(String, String)], value: f64, moment: Option<i64>, comma: bool) -> String {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let comma = if comma && !labels.is_empty() { "," } else { "" };
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}{comma}}}", labels.join(",")) };
        format!("wanted{labels} {value:e}{}", moment.map_or_else(String::new, |moment| format!(" {moment}")))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_other_lines_are_passed_over(
            all in prop::collection::vec((
                prop::collection::vec(("[a-z_][a-z0-9_]{0,5}", "([ -~äß→\\n]|\\\\){0,9}"), 0..4),
                prop::num::f64::NORMAL, prop::option::of(any::<i64>()), any::<bool>(),
            ), 0..6),
            noise in "(# HELP wanted text|wanted_too 1|other\\{a=\"b\"\\} NaN|)",
        ) {
            let lines: Vec<_> = all.iter().map(|(labels, value, moment, comma)| line(labels, *value, *moment, *comma)).collect();
            let page = lines.join(&format!("\n{noise}\n"));
            let read = samples(&page, &["wanted"]).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let read: Vec<_> = read
                .into_iter()
                .map(|sample| {
                    let labels: Vec<_> = sample.labels.into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
                    (labels, sample.value)
                })
                .collect();
            let written: Vec<_> = all.into_iter().map(|(labels, value, ..)| (labels, value)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn no_page_makes_the_reader_panic(page in "(wanted|[{}\",=\\\\ \\n#]|[0-9.eE+-]|\\PC){0,60}") {
            drop(samples(&page, &["wanted"]));
        }
    }

    #[test]
    fn a_line_that_is_wanted_and_wrong_is_named() {
        for wrong in [
            "wanted",
            "wanted ",
            "wanted{",
            "wanted{a",
            "wanted{a=\"b} 1",
            "wanted{a=b} 1",
            "wanted{=\"b\"} 1",
            "wanted{a=\"b\"c=\"d\"} 1",
            "wanted{a=\"\\x\"} 1",
            "wanted one",
            "wanted 1 now",
            "wanted 1 2 3",
            "wanted{a=\"b\"}",
            "wanted-1 2",
        ] {
            let page = format!("# TYPE wanted gauge\nwanted 1\n{wrong}\n");
            let error = samples(&page, &["wanted"]).expect_err(wrong);
            assert_eq!(error, ScrapeError::Malformed { line: 3, text: wrong.to_owned() });
        }
    }
}
