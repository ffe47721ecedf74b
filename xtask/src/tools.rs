//! Commands of other tools, found also where `scripts/setup.sh` put them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command in the project's root, with the installed tools on its path.
///
/// `cargo run` has told this program which package it is of. Some build scripts ask cargo to run them again when that changes (ring's
/// does): a cargo that is told so builds nearly everything again, and the next one that isn't does too.
pub(crate) fn command(root: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).env("PATH", search_path(installed()));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The path to search, with one folder more in front.
pub(crate) fn search_path(first: Option<PathBuf>) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = first.into_iter().chain(env::split_paths(&path));
    // It fails for a folder with a colon in its name, which no search path can hold.
    env::join_paths(folders).unwrap_or(path)
}

/// As in `scripts/env.sh`.
fn installed() -> Option<PathBuf> {
    let cache = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache.or_else(|| Some(env::home_dir()?.join(".cache"))).map(|cache| cache.join("nlb/tools"))
    };
    env::var_os("NLB_TOOLS").map(PathBuf::from).or_else(cache).map(|tools| tools.join("bin"))
}
