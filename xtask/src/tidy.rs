//! `cargo xtask tidy`: the project's own rules, which no other tool knows.

mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::steps::{Outcome, Steps};

pub(crate) fn run(root: &Path) -> Result<bool> {
    let mut steps = Steps::default();
    steps.step("tidiness", || check(root))?;
    Ok(steps.finish())
}

/// Prints what is against a rule.
pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let files = files(root)?;
    let mut findings = rules::layout(&files);
    for path in &files {
        // Fuzz seeds and pictures are not text.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        findings.extend(rules::file(path, &text));
    }
    for finding in &findings {
        println!("{finding}");
    }
    Ok(if findings.is_empty() { Outcome::Passed } else { Outcome::Failed })
}

/// The files of the project as git sees them, new ones too.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let git = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    ensure!(git.status.success(), "git ls-files: {}", String::from_utf8_lossy(&git.stderr));
    let listed = String::from_utf8(git.stdout).context("a file's name is not UTF-8")?;
    let paths = listed.split_terminator('\0').map(PathBuf::from);
    Ok(paths.filter(|path| root.join(path).is_file()).collect())
}
