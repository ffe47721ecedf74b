//! From text to filter: `condition [value] [and condition [value]]…`.

use std::net::SocketAddr;
use std::str::FromStr;

use super::error::{FilterError, Wrong};
use super::filter::{Condition, Filter, FilteredTarget, PROTOCOLS};

/// Words with where they begin, in characters from 1.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    /// The next word. Its place is `at` of what is left before it.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        let word = self.text.trim_start();
        let begin = self.at + self.text.chars().count() - word.chars().count();
        let end = word.find(char::is_whitespace).unwrap_or(word.len());
        let (word, rest) = word.split_at(end);
        self.at = begin + word.chars().count();
        self.text = rest;
        (!word.is_empty()).then_some((begin, word))
    }
}

/// Reads a filter.
pub(super) fn filter(text: &str) -> Result<Filter, FilterError> {
    let mut words = Words { text, at: 1 };
    let mut conditions = Vec::new();
    let mut next = words.next();
    while let Some((at, word)) = next {
        let condition = condition(&mut words, at, word)?;
        allowed(&conditions, &condition).map_err(|wrong| FilterError { at, wrong })?;
        conditions.push(condition);
        next = match words.next() {
            None => None,
            Some((_, "and")) => Some(words.next().ok_or(FilterError { at: words.at, wrong: Wrong::Ends })?),
            Some((at, word)) => return Err(FilterError { at, wrong: Wrong::NoAnd { word: word.to_owned() } }),
        };
    }
    Ok(Filter::new(conditions))
}

fn condition(words: &mut Words<'_>, at: usize, word: &str) -> Result<Condition, FilterError> {
    const ADDRESS: (&str, &str) = ("192.0.2.10", "an IPv4 or IPv6 address");
    const NAMES: &str = "tcp, udp, sctp, icmp, icmp6 or a number from 1 to 255";
    const TARGET: &str = "ADDRESS or ADDRESS:PORT, as 10.0.0.5:80 or [2001:db8::5]:80";
    match word {
        "host" => value(words, "host", ADDRESS, parsed).map(Condition::Host),
        "net" => value(words, "net", ("198.51.100.0/24", "an address with a prefix length"), parsed)
            .map(|net: ipnet::IpNet| Condition::Net(net.trunc())),
        "port" => value(words, "port", ("80", "80, 8000-8099 (the lower first) or all"), parsed).map(Condition::Port),
        "proto" => value(words, "proto", ("tcp", NAMES), protocol).map(Condition::Proto),
        "vip" => value(words, "vip", ADDRESS, parsed).map(Condition::Vip),
        "listener" => value(words, "listener", ("web", "a listener's name"), parsed).map(Condition::Listener),
        "target" => value(words, "target", ("10.0.0.5:80", TARGET), target).map(Condition::Target),
        "dropped" => Ok(Condition::Dropped),
        _ => Err(FilterError { at, wrong: Wrong::Unknown { word: word.to_owned() } }),
    }
}

/// The value of a condition: `about` is an example, and what is right.
fn value<T>(
    words: &mut Words<'_>,
    condition: &'static str,
    about: (&'static str, &'static str),
    read: fn(&str) -> Option<T>,
) -> Result<T, FilterError> {
    let (example, right) = about;
    let missing = |at| FilterError { at, wrong: Wrong::NoValue { condition, example } };
    let (at, text) = match words.next() {
        None => return Err(missing(words.at)),
        Some((at, "and")) => return Err(missing(at)),
        Some(word) => word,
    };
    let wrong = || Wrong::Value { condition, value: text.to_owned(), right };
    read(text).ok_or_else(|| FilterError { at, wrong: wrong() })
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn protocol(text: &str) -> Option<u8> {
    let named = PROTOCOLS.iter().find(|(name, _)| *name == text).map(|&(_, number)| number);
    named.or_else(|| text.parse().ok().filter(|&number| number != 0))
}

fn target(text: &str) -> Option<FilteredTarget> {
    match text.parse::<SocketAddr>() {
        Ok(socket) => Some(FilteredTarget { address: socket.ip(), port: Some(socket.port()) }),
        Err(_) => text.parse().ok().map(|address| FilteredTarget { address, port: None }),
    }
}

/// Whether `new` may stand beside the conditions that are there: each once, but what a packet has two of.
fn allowed(there: &[Condition], new: &Condition) -> Result<(), Wrong> {
    const ENDS: &[&str] = &["host", "net"];
    let (alike, most, why) = match new.word() {
        "host" | "net" => (ENDS, 2, "a packet has two ends, so `host` and `net` may stand there twice together"),
        "port" => (&["port"][..], 2, "a packet has two ports"),
        "dropped" => (&["dropped"][..], 1, "once is enough"),
        "proto" => (&["proto"][..], 1, "a packet has one protocol"),
        "vip" => (&["vip"][..], 1, "a packet has one destination"),
        "listener" => (&["listener"][..], 1, "a packet is for one listener"),
        _ => (&["target"][..], 1, "a packet goes to one target"),
    };
    if there.iter().filter(|condition| alike.contains(&condition.word())).count() >= most {
        return Err(Wrong::TooMany { condition: new.word(), most, why });
    }
    let said = |condition: &&Condition| matches!(condition, Condition::Vip(_) | Condition::Proto(_));
    let listener = |condition: &Condition| matches!(condition, Condition::Listener(_));
    if listener(new)
        && let Some(condition) = there.iter().find(said)
    {
        return Err(Wrong::SaidAlready { condition: condition.word() });
    }
    if said(&new) && there.iter().any(listener) {
        return Err(Wrong::SaidAlready { condition: new.word() });
    }
    Ok(())
}
