//! The file system that pins live in: found, or mounted.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::KernelError;

/// Where systemd, and everyone else, mounts it.
const USUAL: &str = "/sys/fs/bpf";

/// Sees to it that `pin_path` lies, or will lie once it is made, in a bpffs.
pub(super) fn ensure(pin_path: &Path) -> Result<(), KernelError> {
    if holds(pin_path) {
        return Ok(());
    }
    let at = mount_point(pin_path);
    let failed = |source: io::Error| KernelError::Mount { path: at.clone(), source };
    if !at.exists() {
        std::fs::create_dir_all(&at).map_err(failed)?;
    }
    // Two that start at once must not mount one over the other: the pins of the first would be hidden. Both lock the
    // directory below, and the second looks again.
    let directory = File::open(&at).map_err(failed)?;
    let _lock = Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    if holds(pin_path) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), &at, Some("bpf"), flags, Some("mode=0700")).map_err(|errno| failed(errno.into()))?;
    tracing::info!(path = %at.display(), "mounted bpffs");
    Ok(())
}

/// Whether `path`, or the nearest of its parents that exists, lies in a bpffs.
pub(super) fn holds(path: &Path) -> bool {
    let nearest = path.ancestors().find(|ancestor| ancestor.exists());
    nearest.and_then(|nearest| statfs(nearest).ok()).is_some_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}

/// Where a bpffs for `pin_path` belongs: the usual place for what lies below it; anywhere else the pin path itself, so
/// that nothing that others keep there is hidden.
fn mount_point(pin_path: &Path) -> PathBuf {
    if pin_path.starts_with(USUAL) { USUAL.into() } else { pin_path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_hides_nothing_of_others() {
        for (pin_path, expected) in [
            ("/sys/fs/bpf/nlb", "/sys/fs/bpf"),
            ("/sys/fs/bpf/site/nlb", "/sys/fs/bpf"),
            ("/run/nlb/bpf", "/run/nlb/bpf"),
            ("/sys/fs/bpf-other/nlb", "/sys/fs/bpf-other/nlb"),
        ] {
            assert_eq!(mount_point(Path::new(pin_path)), Path::new(expected));
        }
    }
}
