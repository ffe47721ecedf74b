//! The first file system of a machine: busybox, tools of this machine with the libraries they need, modules, a job.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::archive::Archive;
use super::kernel::Kernel;
use super::modules;
use crate::tools;

const INIT: &[u8] = include_bytes!("guest/init.sh");

/// Folders that are there before anything is put in.
const FOLDERS: [&str; 7] = ["/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var/lib"];

/// A file system in the making.
pub(super) struct Image {
    archive: Archive,
    paths: BTreeSet<String>,
    /// A file for what is only there in between.
    scratch: PathBuf,
}

impl Image {
    /// What every machine has: `tools` in `/bin`, found on the search path, and the kernel's modules. It runs `job`, a
    /// shell script. `folder` is where it is made.
    pub(super) fn new(folder: &Path, kernel: &Kernel, tools: &[&str], job: &[u8]) -> Result<Self> {
        let scratch = folder.join("scratch");
        let mut image = Self { archive: Archive::default(), paths: BTreeSet::new(), scratch };
        for folder in FOLDERS {
            image.archive.folder(folder);
        }
        for (link, to) in [("/sbin", "bin"), ("/usr/bin", "../bin"), ("/usr/sbin", "../bin")] {
            image.archive.link(link, to);
        }
        image.archive.file("/init", 0o755, INIT);
        image.archive.file("/job", 0o755, job);
        let mut order = String::new();
        for (name, content) in &kernel.modules {
            image.archive.file(&format!("/modules/{name}.ko"), 0o644, content);
            order += &format!("{name} {}\n", modules::options(name));
        }
        image.archive.file("/modules/order", 0o644, order.as_bytes());
        for tool in tools {
            let path =
                find(tool).with_context(|| format!("`{tool}` is missing; scripts/setup.sh --test installs it"))?;
            image.program(&format!("/bin/{tool}"), &path)?;
        }
        Ok(image)
    }

    /// Adds a program without its debug information, and the libraries that it needs.
    pub(super) fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        if !self.paths.insert(path.to_owned()) {
            return Ok(());
        }
        for library in libraries(from)? {
            if self.paths.insert(library.clone()) {
                let content = fs::read(&library).with_context(|| format!("cannot read {library}"))?;
                self.archive.file(&library, 0o755, &content);
            }
        }
        self.archive.file(path, 0o755, &self.stripped(from)?);
        Ok(())
    }

    /// Adds a text.
    pub(super) fn text(&mut self, path: &str, text: &str) {
        self.archive.file(path, 0o644, text.as_bytes());
    }

    /// Adds all files of a folder, at the same place.
    pub(super) fn copy(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.copy(&path)?;
            } else {
                self.archive.file(&path.to_string_lossy(), 0o644, &fs::read(&path)?);
            }
        }
        Ok(())
    }

    fn stripped(&self, program: &Path) -> Result<Vec<u8>> {
        let strip = Command::new("strip").args(["--strip-debug", "-o"]).arg(&self.scratch).arg(program).status();
        let strip = strip.context("cannot run strip")?;
        ensure!(strip.success(), "strip cannot read {}", program.display());
        let content = fs::read(&self.scratch)?;
        fs::remove_file(&self.scratch)?;
        Ok(content)
    }

    /// Writes it.
    pub(super) fn write(self, file: &Path) -> Result<()> {
        fs::write(file, self.archive.finish()).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = tools::search_path(Some("/usr/sbin".into()));
    let candidates = env::split_paths(&path).map(|folder| folder.join(tool));
    let executable = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    candidates.into_iter().find(executable)
}

/// Libraries and loader of a program, by the names that it looks for them under; none if it is linked statically.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let ldd = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let said = String::from_utf8_lossy(&ldd.stdout);
    ensure!(!said.contains("not found"), "{} lacks a library:\n{said}", program.display());
    let paths = said.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(str::to_owned).collect())
}
