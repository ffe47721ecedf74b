//! What cargo built: programs by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::tools;

/// What was built of one package.
#[derive(Default)]
pub(super) struct Built {
    /// Integration tests.
    pub(super) tests: BTreeMap<String, PathBuf>,
    /// Programs.
    pub(super) programs: BTreeMap<String, PathBuf>,
}

/// A line of cargo's, of those that name an executable.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Target,
    profile: Profile,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs cargo with these words, which make it build, and lists what it built.
pub(super) fn build(root: &Path, line: &str) -> Result<Built> {
    let mut command = tools::command(root, "cargo");
    command.args(line.split_whitespace()).arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "`cargo {line}` failed");
    let mut built = Built::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // Other kinds of lines have other fields.
        let Ok(Artifact { executable: Some(path), target, profile }) = serde_json::from_str(line) else { continue };
        if profile.test && target.kind.iter().any(|kind| kind == "test") {
            built.tests.insert(target.name, path);
        } else if !profile.test && target.kind.iter().any(|kind| kind == "bin") {
            built.programs.insert(target.name, path);
        }
    }
    Ok(built)
}
