//! What is pinned, and where:
//!
//! ```text
//! <pin path>/                held by one process at a time, by flock(2)
//! ├── links/<interface index>    one link per interface; it holds the program, which needs no pin
//! └── v1-9f3a12bc/               one set of maps: layout version, and fingerprint of kinds and sizes
//!     ├── LISTENERS
//!     └── …
//! ```
//!
//! Links stand outside of the sets because they outlive them: a link is pointed to a program over another set, and only
//! then the old set goes. A set is complete or it is nothing: what a crash left half made is thrown away.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::KernelError;

const LINKS: &str = "links";

/// The pin path, held by this process.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Root {
    /// Makes the pin path if need be, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, KernelError> {
        make_directory(path)?;
        Self::take_existing(path)
    }

    /// Takes a pin path that is there.
    pub(super) fn take_existing(path: &Path) -> Result<Self, KernelError> {
        let directory = File::open(path).map_err(failed("open", path))?;
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(KernelError::InUse { path: path.to_owned() }),
            Err((_, errno)) => Err(failed("lock", path)(errno.into())),
        }
    }

    /// Where a set of that name is or would be.
    pub(super) fn set(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The links' directory, made if need be.
    pub(super) fn links(&self) -> Result<PathBuf, KernelError> {
        let links = links(&self.path);
        make_directory(&links)?;
        Ok(links)
    }

    /// Removes every set but that one; what was removed.
    pub(super) fn remove_sets_but(&self, keep: Option<&str>) -> Result<Vec<PathBuf>, KernelError> {
        let mut removed = Vec::new();
        for set in sets(&self.path)? {
            if keep.is_none_or(|keep| set != self.set(keep)) {
                removed.extend(remove_directory(&set)?);
            }
        }
        Ok(removed)
    }

    /// Removes the links' directory and the pin path itself, if nothing that isn't ours is in there.
    pub(super) fn remove(self) -> Result<(), KernelError> {
        for directory in [links(&self.path), self.path] {
            match std::fs::remove_dir(&directory) {
                Ok(()) => {}
                // A mount point, or something of others.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::ResourceBusy) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("remove", &directory)(error)),
            }
        }
        Ok(())
    }
}

/// Whether another process holds the pin path.
pub(super) fn is_held(path: &Path) -> bool {
    matches!(Root::take_existing(path), Err(KernelError::InUse { .. }))
}

/// Where the links of a pin path are.
pub(super) fn links(pin_path: &Path) -> PathBuf {
    pin_path.join(LINKS)
}

/// The sets below a pin path, of whatever layout version.
pub(super) fn sets(pin_path: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let is_set = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        matches!(name, [b'v', digit, ..] if digit.is_ascii_digit()) && path.is_dir()
    };
    Ok(entries(pin_path)?.into_iter().filter(is_set).collect())
}

/// What is in a directory, sorted; nothing if it is not there.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let read = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(failed("read", directory))?,
    };
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(failed("read", directory))?;
    paths.sort();
    Ok(paths)
}

/// Removes a set with all its pins, complete or not; what was removed.
pub(super) fn remove_directory(directory: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let pins = entries(directory)?;
    for pin in &pins {
        remove_pin(pin)?;
    }
    match std::fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", directory)(error)),
        _ => Ok(pins),
    }
}

/// Removes a pin, if it is there.
pub(super) fn remove_pin(pin: &Path) -> Result<(), KernelError> {
    match std::fs::remove_file(pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", pin)(error)),
        _ => Ok(()),
    }
}

pub(super) fn make_directory(path: &Path) -> Result<(), KernelError> {
    std::fs::create_dir_all(path).map_err(failed("make the directory", path))
}

/// What makes an error of the answer to an action on a path.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KernelError {
    move |source| KernelError::Pin { action, path: path.to_owned(), source }
}
