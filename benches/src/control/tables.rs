//! How much memory of the kernel's the tables take: what their file descriptors say.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aya::maps::MapData;

/// The tables pinned below `pins`, each with its bytes.
pub(super) fn sizes(pins: &Path) -> Result<Vec<(String, u64)>> {
    let mut sizes = Vec::new();
    for set in folders(pins)?.into_iter().filter(|path| !path.ends_with("links")) {
        for pin in files(&set)? {
            let name = pin.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sizes.push((name, size(&pin).with_context(|| format!("cannot look at {}", pin.display()))?));
        }
    }
    sizes.sort();
    Ok(sizes)
}

fn size(pin: &Path) -> Result<u64> {
    let map = MapData::from_pin(pin)?;
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd()))?;
    let bytes =
        about.lines().find_map(|line| line.strip_prefix("memlock:")).context("the kernel doesn't say memlock")?;
    Ok(bytes.trim().parse()?)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?.into_iter().filter(|entry| entry.is_dir()).collect())
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?.into_iter().filter(|entry| !entry.is_dir()).collect())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?)
}
