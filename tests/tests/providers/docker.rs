//! Docker's engine itself, from Debian's package, in a namespace and with folders of its own; the image is one program, busybox.
//! `scripts/setup.sh --test` installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use nlb_tests::lab::{Lab, Options, Process, wait_until};
use nlb_userspace::autoscale::model::{InstanceId, LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers::{self, ProvidedState, ProviderError};
use serde_json::{Map, Value, json};

use crate::contract::{Tried, run};

/// An engine that runs. It ends with this, and with it all that it made.
struct Engine {
    daemon: Process,
    directory: PathBuf,
    _lab: Lab,
}

impl Engine {
    /// `None` where it isn't installed.
    fn start() -> Result<Option<Self>> {
        let found =
            |program: &str| Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
        if !found("dockerd") || !found("busybox") {
            eprintln!("SKIPPED: Docker's engine or busybox is not installed: run scripts/setup.sh --test");
            return Ok(None);
        }
        let lab = Lab::new(Options { targets: 0, ..Options::default() })?;
        let host = lab.host("router");
        let directory = lab.dir().join("docker");
        fs::create_dir(&directory)?;
        let mut command = host.command("dockerd")?;
        command.args(["--iptables=false", "--ip-masq=false", "--userland-proxy=false", "--bridge=none"]);
        command.args(["--storage-driver=vfs", "--log-level=warn"]);
        for (option, place) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(directory.join(place));
        }
        command.arg("--host").arg(format!("unix://{}", directory.join("socket").display()));
        let daemon = host.spawn("dockerd", command)?;
        let mut engine = Self { daemon, directory, _lab: lab };
        let answers = || engine.curl("GET", "/_ping", None).is_ok().then_some(());
        let up = wait_until("Docker's engine answers", Duration::from_secs(30), answers);
        up.with_context(|| engine.daemon.log())?;
        engine.prepare()?;
        Ok(Some(engine))
    }

    /// Makes a network and the image.
    fn prepare(&mut self) -> Result<()> {
        let network = json!({ "Name": "lan", "Driver": "bridge", "IPAM": { "Config": [{ "Subnet": "10.3.9.0/24" }] } });
        self.curl("POST", "/networks/create", Some(network.to_string().as_bytes()))?;
        let root = self.directory.join("root");
        fs::create_dir_all(root.join("bin"))?;
        let busybox = Command::new("which").arg("busybox").output()?.stdout;
        fs::copy(String::from_utf8(busybox)?.trim(), root.join("bin/busybox"))?;
        let tar = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output()?.stdout;
        self.curl("POST", "/images/create?fromSrc=-&repo=nlb-test", Some(&tar)).map(drop)
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    fn curl(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<String> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body", "--request", method, "--unix-socket"]);
        command.arg(self.socket()).arg(format!("http://engine{path}"));
        if let Some(body) = body {
            let file = self.directory.join("body");
            fs::write(&file, body)?;
            let kind = if body.starts_with(b"{") { "json" } else { "x-tar" };
            command.args(["--header", &format!("Content-Type: application/{kind}"), "--data-binary"]);
            command.arg(format!("@{}", file.display()));
        }
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{method} {path}: {text} {}", String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }

    fn containers(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.curl("GET", "/containers/json?all=true", None)?)?)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for id in self.containers().iter().flatten().filter_map(|container| container["Id"].as_str()) {
            drop(self.curl("DELETE", &format!("/containers/{id}?force=true"), None));
        }
        drop(self.daemon.signal(Signal::SIGTERM));
        if self.daemon.wait(Duration::from_secs(15)).is_err() {
            drop(self.daemon.kill9());
        }
        // What it has mounted would keep its folder from being removed.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
        for point in points.filter(|point| point.starts_with(&self.directory)) {
            umount2(point, MntFlags::MNT_DETACH).unwrap_or_default();
        }
    }
}

fn template(engine: &Engine, change: impl FnOnce(&mut Map<String, Value>)) -> Result<LaunchTemplate> {
    let mut settings = json!({
        "socket": engine.socket(),
        "image": "nlb-test",
        "network": "lan",
        "command": ["/bin/busybox", "sleep", "1000"],
        "stop_timeout": 1,
    });
    let settings = settings.as_object_mut().context("an object")?;
    change(settings);
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    Ok(LaunchTemplate { version, provider: ProviderKind::Docker, port: 80, settings: std::mem::take(settings) })
}

#[test]
fn containers_hold_to_the_contract_and_say_how_they_ended() -> Result<()> {
    let Some(engine) = Engine::start()? else { return Ok(()) };
    let plain = template(&engine, |_| {})?;
    run(async {
        let provider = providers::open(&plain, &engine.directory)?;
        Tried { provider: &*provider, template: &plain }.holds().await?;
        ensure!(engine.containers()?.is_empty(), "containers are left: {:?}", engine.containers()?);

        // What another agent launched is found, and one that ended is told from one that was stopped.
        let words = json!(["/bin/busybox", "sh", "-c", "[ $NLB_INSTANCE$GREETING = web-1hello ] && exit 7"]);
        let short = template(&engine, |settings| {
            settings.insert("command".to_owned(), words);
            settings.insert("environment".to_owned(), json!({ "GREETING": "hello" }));
        })?;
        let before = providers::open(&short, &engine.directory)?;
        Tried { provider: &*before, template: &short }.launch("web", 1).await?;
        let tried = Tried { provider: &*provider, template: &plain };
        let ended = |state: &ProvidedState| matches!(state, ProvidedState::Failed { reason } if reason.contains("(7)"));
        tried.until("it failed", "web", |listed| listed.len() == 1 && ended(&listed[0].state)).await?;

        let missing = template(&engine, |settings| drop(settings.insert("image".to_owned(), json!("nlb-none"))))?;
        let tried = Tried { provider: &*provider, template: &missing };
        let refused = tried.launch("web", 2).await.expect_err("there is no such image");
        let is_named =
            |error: &ProviderError| matches!(error, ProviderError::Settings { key, .. } if key == "settings.image");
        ensure!(refused.downcast_ref().is_some_and(is_named) && refused.to_string().contains("pull it"), "{refused:#}");
        provider.terminate(&"web".parse()?, &[InstanceId("none".to_owned())]).await?;
        Ok(())
    })
}

#[test]
fn an_engine_that_is_not_there_is_said_to_be() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    let settings = json!({ "socket": dir.path().join("none"), "image": "nlb-test" });
    let settings = settings.as_object().cloned().unwrap_or_default();
    let template = LaunchTemplate { version, provider: ProviderKind::Docker, port: 80, settings };
    run(async {
        let provider = providers::open(&template, dir.path())?;
        let error = provider.list(&"web".parse()?).await.expect_err("there is no engine");
        ensure!(matches!(error, ProviderError::Unavailable { .. }) && error.to_string().contains("none"), "{error}");
        Ok(())
    })
}
