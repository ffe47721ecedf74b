//! The files that access lists name: a network a line, `#` begins a comment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::address;
use super::error::{ConfigErrors, Problem};
use super::file::read_text;
use super::source::Source;
use crate::model::{Access, Configuration};

/// How many wrong lines of a file are told.
const MOST_PROBLEMS: usize = 20;

/// Reads the files that the access lists of `configuration` name, and puts their networks into the lists.
pub(super) fn read(configuration: &mut Configuration) -> Result<(), ConfigErrors> {
    let mut files = BTreeMap::<PathBuf, Vec<IpNet>>::new();
    let mut problems = Vec::new();
    let accesses = configuration.listeners.iter().map(|listener| &listener.access);
    for path in accesses.flat_map(|access| [&access.allow.file, &access.deny.file]).flatten() {
        if !files.contains_key(path) {
            let text = read_text(path)?;
            files.insert(path.clone(), networks(path, &text, &mut problems));
        }
    }
    if !problems.is_empty() {
        return Err(ConfigErrors::Invalid(problems));
    }
    let held = |file: &Option<PathBuf>| file.as_ref().and_then(|path| files.get(path)).map_or(&[][..], Vec::as_slice);
    for listener in &mut configuration.listeners {
        let Access { allow, deny, .. } = std::mem::take(&mut listener.access);
        let (allowed, denied) = (held(&allow.file), held(&deny.file));
        listener.access = Access::new(allow, deny, allowed, denied);
    }
    files.keys().next().map_or(Ok(()), |file| fits(configuration, file))
}

/// The networks in the text of a file. What is wrong with it is added to `problems`.
fn networks(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    let mut wrong = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or_default();
        let network = written.trim();
        let at = begin + (written.len() - written.trim_start().len());
        begin += line.len();
        if network.is_empty() {
            continue;
        }
        match address::network(network) {
            Ok(network) => networks.push(network),
            Err(complaint) => wrong.push((at..at + network.len(), complaint)),
        }
    }
    if wrong.is_empty() {
        return networks;
    }
    let source = Source::new(&path.display().to_string(), text);
    let more = wrong.len().saturating_sub(MOST_PROBLEMS);
    for (number, (span, complaint)) in (1..).zip(wrong.into_iter().take(MOST_PROBLEMS)) {
        let others =
            if number == MOST_PROBLEMS && more > 0 { format!(", and {more} more lines") } else { String::new() };
        let message = format!("the line {}{others}", complaint.message);
        problems.push(Problem { place: source.place(&span), message, help: complaint.help });
    }
    networks
}

/// With what the files hold, too, all lists must fit the table. What doesn't is told of `file`.
fn fits(configuration: &Configuration, file: &Path) -> Result<(), ConfigErrors> {
    let capacity = configuration.agent.capacity.networks;
    let lists = configuration.listeners.iter().filter_map(|listener| listener.access.list.as_ref());
    let lists: BTreeMap<_, _> = lists.map(|list| (list.tag(), list.networks().len() as u64)).collect();
    let needed: u64 = lists.values().sum();
    if needed <= u64::from(capacity) {
        return Ok(());
    }
    Err(ConfigErrors::Invalid(vec![Problem {
        place: Source::new(&file.display().to_string(), "").place(&(0..0)),
        message: format!("with the networks of files, {needed} do not fit: the tables hold {capacity}"),
        help: Some(format!("set `agent.capacity.networks` to {needed} or more")),
    }]))
}
