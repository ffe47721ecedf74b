//! A systemd of the laboratory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nlb_tests::lab::{Lab, Options, Process, wait_until};
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "/lib/systemd/systemd";
const UNITS: &str = "/lib/systemd/system";

/// What services want to be started after, and stopped before, and what the manager begins with.
const TARGETS: [(&str, &str); 5] =
    [("basic", ""), ("nlb", "Wants=dbus.service\n"), ("shutdown", ""), ("sockets", ""), ("sysinit", "")];

/// The bus's own units.
const BUS: [&str; 2] = ["dbus.service", "dbus.socket"];

/// Where the bus listens.
const SOCKET: &str = "run/dbus/system_bus_socket";

/// `$1` is a new cgroup, `$2` the manager's folder.
const START: &str = r#"
mkdir "$1"
echo $$ >"$1/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --mount-proc --cgroup --ipc --uts sh -ec '
    umount --lazy /sys/fs/cgroup || :
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount --bind "$1" "$1"
    mount --bind "$1/run" /run
    mount --bind /dev/null /dev/console
    mount --bind /proc/sys /proc/sys
    for place in / /dev /proc/sys; do mount -o remount,bind,ro "$place"; done
    exec env -i container=lxc PATH="$PATH" SYSTEMD_UNIT_PATH="$1/units" \
        "$2" --system --unit=nlb.target --log-target=null --show-status=no
' sh "$2" "$3"
"#;

/// A manager that runs. It ends with this, and with it all that it started.
pub(super) struct Manager {
    process: Process,
    cgroup: PathBuf,
    /// Its folder, which its services may write to.
    pub(super) directory: PathBuf,
    _folder: TempDir,
    /// Around it.
    pub(super) lab: Lab,
}

impl Manager {
    /// `None` where it isn't installed, or has no cgroups.
    pub(super) fn start() -> Result<Option<Self>> {
        let is_installed = Path::new(PROGRAM).exists() && BUS.iter().all(|unit| Path::new(UNITS).join(unit).exists());
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let root = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let Some(root) = root.filter(|_| is_installed) else {
            eprintln!(
                "SKIPPED: systemd or dbus is not installed, or no cgroup2 is mounted: run scripts/setup.sh --test"
            );
            return Ok(None);
        };
        let lab = Lab::new(Options { targets: 0, ..Options::default() })?;
        // The laboratory's own folder is below the `/run` that the manager has another one in place of.
        let folder = tempfile::tempdir()?;
        let directory = folder.path().to_owned();
        for part in ["run", "said", "units"] {
            fs::create_dir_all(directory.join(part))?;
        }
        for (target, lines) in TARGETS {
            let file = directory.join(format!("units/{target}.target"));
            fs::write(file, format!("[Unit]\nDefaultDependencies=no\n{lines}"))?;
        }
        for unit in BUS {
            fs::copy(Path::new(UNITS).join(unit), directory.join("units").join(unit))?;
        }
        let cgroup = Path::new(root).join(format!("{}-systemd", lab.id()));
        let host = lab.host("router");
        let mut command = host.command("sh")?;
        command.args(["-ec", START, "sh"]).arg(&cgroup).arg(&directory).arg(PROGRAM);
        let process = host.spawn("systemd", command)?;
        let manager = Self { process, cgroup, directory, _folder: folder, lab };
        let answers = || manager.answers().then_some(());
        let up = wait_until("systemd answers at its bus", Duration::from_secs(30), answers);
        up.with_context(|| manager.process.log())?;
        Ok(Some(manager))
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.directory.join(SOCKET).display())
    }

    fn answers(&self) -> bool {
        let mut command = Command::new("busctl");
        command.args(["--address", &self.address(), "status", "org.freedesktop.systemd1"]);
        command.output().is_ok_and(|output| output.status.success())
    }

    /// A template whose units wait, with something changed.
    pub(super) fn template(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<LaunchTemplate> {
        let mut settings = json!({
            "bus": self.address(),
            "command": ["/bin/sleep", "1000"],
            "addresses": "10.3.0.100-10.3.0.102/24",
            "bridge": "lan",
            "gateway": "10.3.0.1",
            "stop_timeout": 1,
        });
        let settings = settings.as_object_mut().context("an object")?;
        change(settings);
        template(std::mem::take(settings))
    }

    /// The bridge's ends of instances' cables.
    pub(super) fn cables(&self) -> Result<Vec<String>> {
        let links = self.lab.host("router").ip("-oneline link show type veth")?;
        let names = links.lines().filter_map(|line| line.split(": ").nth(1));
        Ok(names.filter(|name| name.starts_with("nlb")).map(str::to_owned).collect())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(self.process.kill9());
        // The kernel ends the rest in its own time; a cgroup goes when nothing is in it.
        let gone = || remove_cgroup(&self.cgroup).ok();
        if let Err(error) = wait_until("systemd's cgroups are removed", Duration::from_secs(10), gone) {
            eprintln!("{error:#}");
        }
    }
}

fn remove_cgroup(path: &Path) -> std::io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// A template of units.
pub(super) fn template(settings: Map<String, Value>) -> Result<LaunchTemplate> {
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    Ok(LaunchTemplate { version, provider: ProviderKind::Systemd, port: 80, settings })
}
