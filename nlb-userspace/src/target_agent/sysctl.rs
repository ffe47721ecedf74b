//! Kernel settings below `/proc/sys/net`: read, set, and put back.
//!
//! What was before is written down before anything is set, so that a process that dies in between can't make the kernel
//! forget it. The file lies where a restart of the host, which forgets the settings as well, removes it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::findings::{Fix, Sysctls};
use super::settings::TargetSettings;

const ROOT: &str = "/proc/sys/net";

/// A setting or its file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct SysctlError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What a setting was, and what it was set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    before: u32,
    set: u32,
}

/// The settings of an interface, or of `all`. What is not there (a host without IPv6) is as good as off.
pub(super) fn of(interface: &str) -> Sysctls {
    let v4 = |setting: &str| get(&format!("ipv4/conf/{interface}/{setting}")).unwrap_or_default();
    Sysctls {
        rp_filter: v4("rp_filter"),
        arp_ignore: v4("arp_ignore"),
        arp_announce: v4("arp_announce"),
        disable_ipv6: get(&format!("ipv6/conf/{interface}/disable_ipv6")) != Some(0),
        forwarding_v4: v4("forwarding") != 0,
        forwarding_v6: get(&format!("ipv6/conf/{interface}/forwarding")).is_some_and(|on| on != 0),
    }
}

/// Sets what is to be set, remembering what was.
pub(super) fn apply(settings: &TargetSettings, fixes: &[Fix]) -> Result<(), SysctlError> {
    if fixes.is_empty() {
        return Ok(());
    }
    let file = memory(settings);
    let mut changes = remembered(&file)?;
    for fix in fixes {
        let before = get(&fix.key).unwrap_or_default();
        changes
            .entry(fix.key.clone())
            .and_modify(|change| change.set = fix.value)
            .or_insert(Change { before, set: fix.value });
    }
    remember(&file, &changes)?;
    for fix in fixes {
        let path = Path::new(ROOT).join(&fix.key);
        std::fs::write(&path, fix.value.to_string()).map_err(failed("set", &path))?;
        tracing::info!(
            setting = fix.key,
            value = fix.value,
            was = changes[&fix.key].before,
            "set a kernel setting right"
        );
    }
    Ok(())
}

/// Puts back what is still as it was set, and forgets the rest: somebody else has decided since.
pub(super) fn restore(settings: &TargetSettings) -> Result<Vec<String>, SysctlError> {
    let file = memory(settings);
    let mut restored = Vec::new();
    for (key, change) in remembered(&file)? {
        let path = Path::new(ROOT).join(&key);
        if get(&key) == Some(change.set) {
            std::fs::write(&path, change.before.to_string()).map_err(failed("set", &path))?;
            restored.push(key);
        }
    }
    for (gone, path) in
        [(std::fs::remove_file(&file), &file), (std::fs::remove_dir(&settings.state_dir), &settings.state_dir)]
    {
        match gone {
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty | ErrorKind::ResourceBusy
                ) =>
            {
                return Err(failed("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(restored)
}

fn get(key: &str) -> Option<u32> {
    std::fs::read_to_string(Path::new(ROOT).join(key)).ok()?.trim().parse().ok()
}

/// One file for each target agent, which its pin path names.
fn memory(settings: &TargetSettings) -> PathBuf {
    let name = settings.pin_path.to_string_lossy().trim_matches('/').replace('/', "-");
    settings.state_dir.join(format!("{name}.json"))
}

fn remembered(file: &Path) -> Result<BTreeMap<String, Change>, SysctlError> {
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| failed("read", file)(error.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(failed("read", file)(error)),
    }
}

/// Writes beside the file and renames: it is whole, or it is the one before.
fn remember(file: &Path, changes: &BTreeMap<String, Change>) -> Result<(), SysctlError> {
    let text = serde_json::to_vec_pretty(changes).map_err(|error| failed("write", file)(error.into()))?;
    let beside = file.with_extension("new");
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = written.and_then(|()| std::fs::write(&beside, text)).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(failed("write", file))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SysctlError {
    move |source| SysctlError { action, path: path.to_owned(), source }
}
