//! Names of what benches make in the kernel, and its removal if a bench was killed.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nlb_userspace::dataplane::detach;

/// Where pins are.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";
const NAMESPACES: &str = "/run/netns";
const PREFIX: &str = "nlbbench-";

/// A name of this process, for a network namespace or for pins.
pub(crate) fn name(of: &str) -> String {
    format!("{PREFIX}{}-{of}", std::process::id())
}

/// Removes what processes that are gone left behind.
pub(crate) fn sweep() -> Result<()> {
    for name in of_the_dead(NAMESPACES)? {
        let done = Command::new("ip").args(["netns", "delete", &name]).status().context("cannot run ip")?;
        ensure!(done.success(), "cannot delete the namespace {name}");
    }
    for name in of_the_dead(BPFFS)? {
        detach(&Path::new(BPFFS).join(&name)).with_context(|| format!("cannot remove the pins {name}"))?;
    }
    Ok(())
}

fn of_the_dead(folder: &str) -> Result<Vec<String>> {
    if !Path::new(folder).exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {folder}"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let dead = |name: &String| {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        process.is_some_and(|process| !Path::new("/proc").join(process).exists())
    };
    names.filter(|name| name.as_ref().map_or(true, dead)).collect()
}
