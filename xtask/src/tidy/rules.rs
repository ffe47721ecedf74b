//! The rules, as functions from files to findings.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 600;

/// What may stand at the top. Names that begin with a dot are for tools.
const TOP: [&str; 17] = [
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "deny.toml",
    "docs",
    "nlb-common",
    "nlb-ebpf",
    "nlb-userspace",
    "packaging",
    "rustfmt.toml",
    "scripts",
    "tests",
    "typos.toml",
];

/// Words that others use for a target. One word for one thing.
const OTHER_WORDS_FOR_TARGET: [&str; 5] = ["backend", "backends", "upstream", "upstreams", "reals"];

/// Where such a word is somebody else's: the names of redb's interface.
const WORDS_OF_OTHERS: [&str; 2] = ["xtask/src/tidy/rules.rs", "nlb-userspace/src/store/mod.rs"];

/// Marks of work that is not done. Spelt in two parts, so that this file does not find itself.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Places that exist on one machine only, and hosts that the project must not depend on.
const MACHINE: [&str; 4] = [
    concat!("/work", "/"),
    concat!("/home", "/"),
    concat!("index.", "crates.io"),
    concat!("files.", "pythonhosted.org"),
];

/// Something against a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    path: PathBuf,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The top level holds what it should and nothing else.
pub(super) fn layout(files: &[PathBuf]) -> Vec<Finding> {
    let top: BTreeSet<_> = files.iter().filter_map(|path| path.components().next()).collect();
    let names = top.iter().map(|name| name.as_os_str().to_string_lossy());
    let strange = names.filter(|name| !name.starts_with('.') && name != "xtask" && !TOP.contains(&name.as_ref()));
    strange
        .map(|name| Finding {
            path: PathBuf::from(name.as_ref()),
            line: None,
            what: "does not belong at the top level (or add it to the layout in xtask/src/tidy/rules.rs)".to_owned(),
        })
        .collect()
}

/// One file holds to the rules for its kind.
pub(super) fn file(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line, what: String| findings.push(Finding { path: path.to_owned(), line, what });
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name == "Cargo.lock" {
        return findings;
    }
    let lines = text.lines().count();
    if extension == "rs" && lines > MOST_LINES {
        find(None, format!("has {lines} lines; no file has more than {MOST_LINES}"));
    }
    if ["lib.rs", "main.rs", "mod.rs"].contains(&name) && !text.starts_with("//!") {
        find(None, "does not begin with `//!`: what lives here, what may not".to_owned());
    }
    let ours = ["rs", "toml", "md", "sh", "service", "yaml"].contains(&extension);
    let judged = ours && !WORDS_OF_OTHERS.iter().any(|other| path == Path::new(other));
    for (number, line) in text.lines().enumerate() {
        for mark in UNFINISHED.into_iter().filter(|mark| words(line).any(|word| word == *mark)) {
            find(Some(number + 1), format!("{mark}: finish it or file an issue"));
        }
        for place in MACHINE.into_iter().filter(|place| line.contains(place)) {
            find(Some(number + 1), format!("{place} is one machine's or one registry's"));
        }
        for word in OTHER_WORDS_FOR_TARGET.into_iter().filter(|_| judged) {
            if words(line).any(|found| found.eq_ignore_ascii_case(word)) {
                find(Some(number + 1), format!("\"{word}\": the word is \"target\""));
            }
        }
    }
    findings
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_breach_and_passes_what_holds_to_it() {
        let long = "a\n".repeat(MOST_LINES + 1);
        let unfinished = format!("// {}: later", UNFINISHED[0]);
        let machine = format!("path = \"{}x\"", MACHINE[0]);
        for (path, text, findings) in [
            ("a/src/long.rs", long.as_str(), 1),
            ("a/long.md", long.as_str(), 0),
            ("a/src/lib.rs", "mod a;\n", 1),
            ("a/src/lib.rs", "//! A.\nmod a;\n", 0),
            ("a/src/other.rs", "mod a;\n", 0),
            ("a/src/b.rs", unfinished.as_str(), 1),
            ("a/src/b.rs", "// mastodons\n", 0),
            ("a/src/b.rs", "let backend = 1;\n", 1),
            ("a/src/b.rs", "let per_upstream_count = 1;\n", 1),
            ("a/src/b.rs", "let backended = 1;\n", 0),
            ("a/b.bin", "backend\n", 0),
            ("a.toml", machine.as_str(), 1),
            ("Cargo.lock", "name = \"backend\"\n", 0),
        ] {
            let found = file(Path::new(path), text);
            assert_eq!(found.len(), findings, "{path}: {text:.40}: {found:?}");
        }
    }

    #[test]
    fn a_strange_top_level_entry_is_found() {
        let files = ["Cargo.toml", "xtask/src/main.rs", ".ci/run", "nlb-common/Cargo.toml", "notes/a.md"];
        let found = layout(&files.map(PathBuf::from));
        assert_eq!(found.iter().map(|finding| finding.path.clone()).collect::<Vec<_>>(), [PathBuf::from("notes")]);
    }
}
