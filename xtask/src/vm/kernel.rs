//! A kernel of Debian's: its package found through apt, unpacked once per version below `target/vm`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::modules;

/// What the initial file system needs of the package; the rest (400 MB) stays packed.
const PARTS: [&str; 6] = [
    "./boot/vmlinuz-*",
    "*/kernel/net/*",
    "*/kernel/lib/*",
    "*/kernel/crypto/*",
    "*/kernel/arch/x86/crypto/*",
    "*/kernel/drivers/net/*.ko*",
];

/// An unpacked kernel.
pub(super) struct Kernel {
    /// Package and version.
    pub(super) name: String,
    /// The image that boots.
    pub(super) image: PathBuf,
    /// The modules to load, in order, with their content.
    pub(super) modules: Vec<(String, Vec<u8>)>,
}

impl Kernel {
    /// The newest kernel of `series` that apt offers, or the newest that is here already when apt offers none. A series is like
    /// `6.12`, or with a variant of Debian's `6.12-cloud`.
    pub(super) fn of_series(cache: &Path, series: &str) -> Result<Self> {
        ensure!(std::env::consts::ARCH == "x86_64", "the virtual machine is made for x86_64");
        fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        let folder = match offered(series).or_else(|| refresh().then(|| offered(series)).flatten()) {
            Some((package, version)) => unpacked(cache, &package, &version)?,
            None => newest_here(cache, series)?,
        };
        Self::read(&folder)
    }

    fn read(folder: &Path) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(folder.join("modules")).with_context(|| format!("{name} has no modules"))? {
            let path = entry?.path();
            let module = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
            all.insert(module, fs::read(&path)?);
        }
        let order = modules::in_order(&modules::WANTED, &all);
        let modules = order.into_iter().map(|module| (module.to_owned(), all[module].clone())).collect();
        Ok(Self { name, image: folder.join("vmlinuz"), modules })
    }
}

/// Package and version of the newest kernel of a series.
fn offered(series: &str) -> Option<(String, String)> {
    let (numbers, _) = parts(series);
    let names = said(Command::new("apt-cache").args(["pkgnames", &format!("linux-image-{numbers}.")]))?;
    let mut packages: Vec<_> = names.lines().filter_map(|name| Some((release(name, series)?, name))).collect();
    packages.sort();
    // The list also has names of packages that are gone.
    packages.into_iter().rev().find_map(|(_, package)| {
        let shown = said(Command::new("apt-cache").args(["show", "--no-all-versions", package]))?;
        let version = shown.lines().find_map(|line| line.strip_prefix("Version: "))?;
        Some((package.to_owned(), version.to_owned()))
    })
}

/// A series' numbers and its variant, which is empty for plain kernels.
fn parts(series: &str) -> (&str, &str) {
    series.split_at(series.find('-').unwrap_or(series.len()))
}

/// The numbers in a package's name, if it is a kernel of the series: of no other variant, and signed.
fn release(package: &str, series: &str) -> Option<Vec<u32>> {
    let (numbers, variant) = parts(series);
    let release = package.strip_prefix("linux-image-")?.strip_suffix("-amd64")?.strip_suffix(variant)?;
    release.strip_prefix(numbers)?.strip_prefix('.')?;
    release.replace("+deb", ".").split(['.', '-']).map(|number| number.parse().ok()).collect()
}

/// Fetches apt's lists anew, which a fresh machine has to.
fn refresh() -> bool {
    println!("apt knows no such kernel; fetching its lists");
    said(Command::new("apt-get").args(["-q", "update"])).is_some()
}

fn newest_here(cache: &Path, series: &str) -> Result<PathBuf> {
    let mut here = Vec::new();
    for entry in fs::read_dir(cache)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let package = name.split('_').next().unwrap_or_default();
        if let Some(release) = release(package, series) {
            here.push((release, path));
        }
    }
    here.sort();
    let newest = here.pop().with_context(|| {
        format!(
            "apt offers no kernel {series}; try `apt-get update`, or name another one with --kernel: a series like 6.12, \
             or a variant of it like 6.12-cloud"
        )
    })?;
    Ok(newest.1)
}

/// The folder of a package, which is fetched and unpacked unless it was before.
fn unpacked(cache: &Path, package: &str, version: &str) -> Result<PathBuf> {
    let folder = cache.join(format!("{package}_{version}"));
    if folder.exists() {
        return Ok(folder);
    }
    println!("fetching {package} {version}");
    // Unpacked elsewhere and moved as a whole, so that what is interrupted is not taken for what is done.
    let making = cache.join(format!("making-{}", std::process::id()));
    fs::create_dir_all(making.join("modules"))?;
    let done = unpack(&making, package, version).and_then(|()| {
        fs::rename(&making, &folder).with_context(|| format!("cannot move the kernel to {}", folder.display()))
    });
    if making.exists() {
        fs::remove_dir_all(&making)?;
    }
    done.map(|()| folder)
}

fn unpack(making: &Path, package: &str, version: &str) -> Result<()> {
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.current_dir(making).args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
        said(apt.arg(format!("{package}={version}"))).is_some()
    };
    // Lists that are old name versions that are gone.
    if !(download() || (refresh() && download())) {
        bail!("`apt-get download {package}={version}` failed; run it by hand to see why");
    }
    let archive = files(making)?.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.with_context(|| format!("apt-get left no package of {package}"))?;
    let tree = making.join("tree");
    fs::create_dir(&tree)?;
    let mut shell = Command::new("sh");
    shell.args([
        "-ec",
        "archive=$1; tree=$2; shift 2; dpkg-deb --fsys-tarfile \"$archive\" | tar -xC \"$tree\" --wildcards \"$@\"",
        "sh",
    ]);
    ensure!(shell.arg(&archive).arg(&tree).args(PARTS).status()?.success(), "cannot unpack {}", archive.display());
    for file in files(&tree)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("vmlinuz-") {
            fs::rename(&file, making.join("vmlinuz"))?;
        } else if name.ends_with(".ko") {
            fs::rename(&file, making.join("modules").join(name))?;
        } else if name.ends_with(".ko.xz") {
            let plain = making.join("modules").join(name.trim_end_matches(".xz"));
            let xz = Command::new("xz").args(["-dc"]).arg(&file).output().context("cannot run xz")?;
            ensure!(xz.status.success(), "xz cannot unpack {name}");
            fs::write(plain, xz.stdout)?;
        }
    }
    fs::remove_dir_all(&tree)?;
    fs::remove_file(&archive)?;
    ensure!(making.join("vmlinuz").exists(), "{package} has no kernel in it");
    Ok(())
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// What a command that succeeds says.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn only_kernels_of_the_series_and_variant_are_taken_and_the_newest_is_the_greatest() {
        for other in [
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-56-rt-amd64",
            "linux-image-6.1.0-56-amd64-unsigned",
            "linux-image-6.1.0-56-amd64-dbg",
            "linux-headers-6.1.0-56-amd64",
            "linux-image-6.12.9+deb12-amd64",
            "linux-image-6.1-amd64",
        ] {
            assert_eq!(release(other, "6.1"), None, "{other}");
        }
        for (series, variant, ascending) in [
            ("6.1", "", ["6.1.0-9", "6.1.0-56"]),
            ("6.12", "", ["6.12.9+deb12", "6.12.117+deb12"]),
            ("6.12-cloud", "-cloud", ["6.12.9+deb12", "6.12.117+deb12"]),
            ("6.1-rt", "-rt", ["6.1.0-9", "6.1.0-56"]),
        ] {
            let package = |release: &str, variant: &str| format!("linux-image-{release}{variant}-amd64");
            let releases = ascending.map(|name| release(&package(name, variant), series));
            assert!(releases.is_sorted() && releases.iter().all(Option::is_some), "{series}: {releases:?}");
            assert_eq!(release(&package(ascending[0], "-other"), series), None, "{series}");
        }
    }
}
