//! Who owns which laboratory, and the removal of those whose owner is gone.
//!
//! A laboratory has a folder under [`ROOT`] with a lock file that its process holds. The kernel gives the lock back when
//! the process ends, however it ends: a folder whose lock can be taken belongs to nobody.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};

use super::netns::{self, Netns};

const ROOT: &str = "/run/nlb-lab";
const PREFIX: &str = "nlblab-";
const LOCK: &str = "lock";
/// Where the pins of a laboratory's agents live: entries that begin with its id.
pub(super) const BPFFS: &str = "/sys/fs/bpf";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The right to the names of one laboratory. Dropping it removes everything that carries its id.
#[derive(Debug)]
pub(super) struct Lease {
    id: String,
    dir: PathBuf,
    _lock: Flock<File>,
}

impl Lease {
    pub(super) fn take() -> Result<Self> {
        let id = format!("{PREFIX}{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(ROOT).join(&id);
        fs::create_dir_all(ROOT).with_context(|| format!("cannot make {ROOT}: laboratories need root"))?;
        // A new folder gets its lock before it gets its name: a sweep never sees one that nobody holds yet.
        let unnamed = Path::new(ROOT).join(format!(".{id}"));
        fs::create_dir_all(&unnamed)?;
        let lock = try_lock(&unnamed)?.context("the lock of a new laboratory is held by another process")?;
        fs::rename(&unnamed, &dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { id, dir, _lock: lock })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.id) {
            eprintln!("could not remove all of the laboratory {}: {error:#}", self.id);
        }
    }
}

/// Removes every laboratory whose process is gone, and says how many there were.
///
/// # Errors
/// When a namespace, process, pin or file of one cannot be removed.
pub fn sweep() -> Result<usize> {
    let mut swept = 0;
    for id in names_in(Path::new(ROOT))?.into_iter().filter(|name| name.starts_with(PREFIX)) {
        // Held until its folder is gone, so that two sweeps do not meet.
        let Some(_lock) = try_lock(&Path::new(ROOT).join(&id))? else { continue };
        remove(&id).with_context(|| format!("cannot remove the laboratory {id}"))?;
        swept += 1;
    }
    Ok(swept)
}

/// Removes every laboratory of this process while it still uses them: for a program that is about to end at once.
///
/// # Errors
/// When a namespace, process, pin or file of one cannot be removed.
pub fn abandon() -> Result<()> {
    let own = format!("{PREFIX}{}-", process::id());
    names_in(Path::new(ROOT))?.iter().filter(|name| name.starts_with(&own)).try_for_each(|id| remove(id))
}

fn try_lock(dir: &Path) -> Result<Option<Flock<File>>> {
    let file = match File::create(dir.join(LOCK)) {
        Ok(file) => file,
        // Another sweep was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot open a laboratory's lock"),
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).context("cannot lock a laboratory"),
    }
}

fn remove(id: &str) -> Result<()> {
    let own = |name: &String| name.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    for name in names_in(Path::new(netns::ROOT))?.iter().filter(|name| own(name)) {
        Netns::existing(name).remove()?;
    }
    for name in names_in(Path::new(BPFFS))?.iter().filter(|name| own(name)) {
        fs::remove_dir_all(Path::new(BPFFS).join(name)).with_context(|| format!("cannot remove the pins {name}"))?;
    }
    fs::remove_dir_all(Path::new(ROOT).join(id)).context("cannot remove a laboratory's folder")
}

fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
