//! The pages of `docs`, whose examples are configurations.

use std::collections::BTreeMap;
use std::path::Path;

use super::reference::{keys, shows};
use crate::config::parse;

/// The TOML blocks of each page, one behind the other, by the page's name.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let blocks = text.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
            (path.file_name().unwrap().to_string_lossy().into_owned(), blocks.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

#[test]
fn the_examples_of_a_page_are_a_configuration() {
    let pages = pages();
    assert!(pages.len() >= 5, "{:?}", pages.keys());
    for (page, text) in pages.iter().filter(|(_, text)| !text.is_empty()) {
        if let Err(errors) = parse(text, page) {
            panic!("{errors}");
        }
    }
}

/// Sections about balancing.
const BALANCING: [&str; 7] = [
    "target_group",
    "target_group.health_check",
    "target_group.target",
    "listener",
    "listener.new_flows_per_source",
    "listener.quic",
    "vip",
];

#[test]
fn every_setting_of_balancing_has_an_example() {
    // A file beside the configuration can't be in an example that is parsed; the page names them.
    const BESIDE: [&str; 2] = ["allow_file", "deny_file"];
    let documents: Vec<toml::Table> = pages().values().map(|text| toml::from_str(text).unwrap()).collect();
    for (section, key) in keys().filter(|(section, _)| BALANCING.contains(&section.path)) {
        let shown = documents.iter().any(|document| shows(document, section, key));
        assert!(shown || BESIDE.contains(&key.name), "no page of docs shows `{}` of {}", key.name, section.header());
    }
}
