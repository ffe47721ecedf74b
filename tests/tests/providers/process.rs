//! Server processes in namespaces.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nlb_tests::lab::{Lab, Options, wait_until};
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers::{self, ProvidedState, ProviderError};
use serde_json::{Map, Value, json};

use crate::contract::{Tried, run};

fn template(lab: &Lab, change: impl FnOnce(&mut Map<String, Value>)) -> Result<LaunchTemplate> {
    let mut settings = json!({
        "command": ["/bin/sleep", "1000"],
        "bridge": "lan",
        "bridge_namespace": lab.host("router").netns(),
        "namespace_prefix": format!("{}-", lab.id()),
        "addresses": "10.3.0.100-10.3.0.102/24",
        "stop_timeout": 1,
    });
    let settings = settings.as_object_mut().context("an object")?;
    change(settings);
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    Ok(LaunchTemplate { version, provider: ProviderKind::Process, port: 80, settings: std::mem::take(settings) })
}

fn lab() -> Result<Lab> {
    Lab::new(Options { targets: 0, ..Options::default() })
}

#[test]
fn processes_hold_to_the_contract_and_leave_nothing() -> Result<()> {
    let lab = lab()?;
    let template = template(&lab, |_| {})?;
    let directory = lab.dir().join("instances");
    let provider = providers::open(&template, &directory)?;
    run(Tried { provider: &*provider, template: &template }.holds())?;
    ensure!(lab.instances()?.is_empty(), "{:?}", lab.instances()?);
    for group in fs::read_dir(directory.join("processes"))? {
        ensure!(fs::read_dir(group?.path())?.next().is_none(), "files are left");
    }
    Ok(())
}

#[test]
fn what_another_agent_launched_is_found_and_what_ended_is_told_from_what_runs() -> Result<()> {
    let lab = lab()?;
    let template = template(&lab, |_| {})?;
    let directory = lab.dir().join("instances");
    run(async {
        let before = providers::open(&template, &directory)?;
        Tried { provider: &*before, template: &template }.launch("web", 1).await?;
        drop(before);
        let provider = providers::open(&template, &directory)?;
        let tried = Tried { provider: &*provider, template: &template };
        tried.until("it runs", "web", |listed| listed.iter().all(|one| one.state == ProvidedState::Running)).await?;
        // It runs a moment before it has come into its namespace.
        let only = || lab.instances().ok()?.pop()?.1.as_slice().try_into().ok().map(|[pid]: [u32; 1]| pid);
        let pid = wait_until("the instance is one process", Duration::from_secs(10), only)?;
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
        let failed = |state: &ProvidedState| matches!(state, ProvidedState::Failed { .. });
        tried.until("it failed", "web", |listed| listed.iter().all(|one| failed(&one.state))).await?;
        Ok(())
    })
}

#[test]
fn a_server_that_does_not_end_is_made_to() -> Result<()> {
    let lab = lab()?;
    // A shell that ignores being asked, and its child.
    let stubborn = json!(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    let template = template(&lab, |settings| drop(settings.insert("command".to_owned(), stubborn)))?;
    let provider = providers::open(&template, &lab.dir().join("instances"))?;
    run(async {
        let tried = Tried { provider: &*provider, template: &template };
        let id = tried.launch("web", 1).await?;
        provider.terminate(&"web".parse()?, &[id]).await?;
        ensure!(tried.list("web").await?.is_empty() && lab.instances()?.is_empty(), "{:?}", lab.instances()?);
        Ok(())
    })
}

#[test]
fn a_full_pool_is_no_capacity_and_an_address_given_back_is_used_again() -> Result<()> {
    let lab = lab()?;
    let template = template(&lab, |_| {})?;
    let provider = providers::open(&template, &lab.dir().join("instances"))?;
    run(async {
        let tried = Tried { provider: &*provider, template: &template };
        let first = tried.launch("web", 1).await?;
        tried.launch("web", 2).await?;
        tried.launch("other", 1).await?;
        let refused = tried.launch("web", 3).await.expect_err("the pool has three addresses");
        ensure!(matches!(refused.downcast_ref(), Some(ProviderError::Capacity(_))), "{refused:#}");
        provider.terminate(&"web".parse()?, &[first]).await?;
        tried.launch("web", 3).await.map(drop)
    })
}

#[test]
fn a_server_knows_its_place_from_its_words_and_its_environment() -> Result<()> {
    let lab = lab()?;
    let words = r#"echo "$1 $2 $NLB_ADDRESS $NLB_PORT $NLB_GROUP $NLB_INSTANCE $GREETING" > "$3"; exec sleep 1000"#;
    let said = lab.dir().join("said");
    let command = json!(["/bin/sh", "-c", words, "sh", "{address}", "{port}", said]);
    let template = template(&lab, |settings| {
        settings.insert("command".to_owned(), command);
        settings.insert("environment".to_owned(), json!({ "GREETING": "hello" }));
    })?;
    let provider = providers::open(&template, &lab.dir().join("instances"))?;
    run(async {
        Tried { provider: &*provider, template: &template }.launch("web", 7).await?;
        let line = "10.3.0.100 80 10.3.0.100 80 web web-7 hello\n";
        let read = || fs::read_to_string(&said).ok().filter(|text| text == line);
        wait_until("the server has said where it is", Duration::from_secs(10), read)?;
        Ok(())
    })
}
