//! systemd itself, from Debian's package: the first process of a PID namespace of the laboratory's router, with units, cgroups
//! and a `/run` of its own; everything else it sees can't be written. It is asked by a bus that it runs.
//! `scripts/setup.sh --test` installs it.

mod manager;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::wait_until;
use nlb_userspace::autoscale::model::InstanceId;
use nlb_userspace::providers::{self, ProvidedState, ProviderError};
use serde_json::{Value, json};

use self::manager::{Manager, template};
use crate::contract::{Tried, run};

#[test]
fn units_hold_to_the_contract_and_leave_nothing() -> Result<()> {
    let Some(manager) = Manager::start()? else { return Ok(()) };
    let plain = manager.template(|_| {})?;
    run(async {
        let provider = providers::open(&plain, &manager.directory)?;
        let tried = Tried { provider: &*provider, template: &plain };
        tried.holds().await?;
        let gone = || manager.cables().ok()?.is_empty().then_some(());
        wait_until("the units' cables are gone", Duration::from_secs(10), gone)?;

        // A full pool, and instances that answer on the segment.
        let first = tried.launch("web", 1).await?;
        tried.launch("web", 2).await?;
        tried.launch("other", 1).await?;
        let refused = tried.launch("web", 3).await.expect_err("the pool has three addresses");
        ensure!(matches!(refused.downcast_ref(), Some(ProviderError::Capacity(_))), "{refused:#}");
        let running = |state: &ProvidedState| *state == ProvidedState::Running;
        let listed = tried.until("both run", "web", |listed| listed.iter().all(|one| running(&one.state))).await?;
        ensure!(listed.len() == 2 && listed.iter().all(|one| one.launched.is_some()), "{listed:?}");
        for instance in listed {
            let address = instance.address.context("an address")?.to_string();
            manager.lab.host("router").check("ping", ["-c", "1", "-W", "5", &address])?;
        }

        // Another group's, and what is no instance, isn't ended; an address given back is used again.
        for id in ["nlb-other-other-1.service", "basic.target", "nlb-web-*.service"] {
            provider.terminate(&"web".parse()?, &[InstanceId(id.to_owned())]).await?;
        }
        ensure!(tried.list("other").await?.len() == 1 && tried.list("web").await?.len() == 2, "others were ended");
        provider.terminate(&"web".parse()?, &[first]).await?;
        tried.launch("web", 3).await.map(drop)
    })
}

#[test]
fn without_a_bridge_units_hold_to_the_contract_too() -> Result<()> {
    let Some(manager) = Manager::start()? else { return Ok(()) };
    let template = manager.template(|settings| {
        settings.remove("bridge");
        settings.remove("gateway");
    })?;
    let provider = providers::open(&template, &manager.directory)?;
    run(Tried { provider: &*provider, template: &template }.holds())
}

#[test]
fn what_another_agent_launched_is_found_and_failures_are_told() -> Result<()> {
    let Some(manager) = Manager::start()? else { return Ok(()) };
    let command = |words: Value| manager.template(|settings| drop(settings.insert("command".to_owned(), words)));
    let short = command(json!(["/bin/sh", "-c", "exit 7"]))?;
    let missing = command(json!(["/bin/none"]))?;
    // A shell that ignores being asked, and its child.
    let stubborn = command(json!(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]))?;
    let nowhere = manager.template(|settings| drop(settings.insert("bridge".to_owned(), json!("none"))))?;
    let refused = manager.template(|settings| {
        settings.insert("properties".to_owned(), json!({ "Slice": "web.service" }));
    })?;
    run(async {
        let provider = providers::open(&stubborn, &manager.directory)?;
        let tried = Tried { provider: &*provider, template: &stubborn };
        for (number, template, reason) in
            [(1, &short, "exit-code 7"), (2, &missing, "exit-code 203"), (3, &nowhere, "exit-code")]
        {
            let before = providers::open(template, &manager.directory)?;
            let id = Tried { provider: &*before, template }.launch("web", number).await?;
            drop(before);
            let failed = |state: &ProvidedState| matches!(state, ProvidedState::Failed { reason: told } if told.contains(reason));
            tried.until(reason, "web", |listed| listed.len() == 1 && failed(&listed[0].state)).await?;
            ensure!(tried.launch("web", number).await? == id, "one that failed was launched again");
            provider.terminate(&"web".parse()?, &[id]).await?;
            tried.until("it is forgotten", "web", <[_]>::is_empty).await?;
        }
        let id = tried.launch("web", 4).await?;
        provider.terminate(&"web".parse()?, &[id]).await?;
        ensure!(tried.list("web").await?.is_empty(), "one that did not end is there: {:?}", tried.list("web").await?);

        let tried = Tried { provider: &*provider, template: &refused };
        let error = tried.launch("web", 5).await.expect_err("no slice is called so");
        let is_named = |error: &ProviderError| matches!(error, ProviderError::Settings { key, .. } if key == "settings.properties");
        ensure!(error.downcast_ref().is_some_and(is_named), "{error:#}");
        Ok(())
    })
}

#[test]
fn a_service_knows_its_place_and_has_its_limits() -> Result<()> {
    let Some(manager) = Manager::start()? else { return Ok(()) };
    let words = r#"echo "$1 $2 $4 $NLB_ADDRESS $NLB_PORT $NLB_GROUP $NLB_INSTANCE $GREETING $(ulimit -n) $(nice)" >"$3"
        exec sleep 1000"#;
    let said = manager.directory.join("said/words");
    let command = json!(["/bin/sh", "-c", words, "sh", "{address}", "{port}", said, "${NLB_PORT}%n"]);
    let template = manager.template(|settings| {
        settings.insert("addresses".to_owned(), json!("fd00:3::100/64"));
        settings.insert("gateway".to_owned(), json!("fd00:3::1"));
        settings.insert("command".to_owned(), command);
        settings.insert("environment".to_owned(), json!({ "GREETING": "hello" }));
        settings.insert("properties".to_owned(), json!({ "LimitNOFILE": 4321, "Nice": 5, "MemoryMax": "64M" }));
    })?;
    let provider = providers::open(&template, &manager.directory)?;
    run(async {
        Tried { provider: &*provider, template: &template }.launch("web", 7).await?;
        let line = "fd00:3::100 80 ${NLB_PORT}%n fd00:3::100 80 web web-7 hello 4321 5\n";
        let read = || fs::read_to_string(&said).ok().filter(|text| text == line);
        let seen = wait_until("the service has said where it is", Duration::from_secs(10), read);
        seen.with_context(|| fs::read_to_string(&said).unwrap_or_default()).map(drop)
    })
}

#[test]
fn a_manager_that_is_not_there_or_does_not_answer_is_said_to_be() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let silent = dir.path().join("silent");
    let _listener = UnixListener::bind(&silent)?;
    let at = |socket: &Path| {
        let settings = json!({
            "bus": format!("unix:path={}", socket.display()),
            "command": ["/bin/sleep", "1000"],
            "addresses": "10.3.0.100/24",
        });
        template(settings.as_object().cloned().unwrap_or_default())
    };
    let (none, silent) = (at(&dir.path().join("none"))?, at(&silent)?);
    run(async {
        let error = providers::open(&none, dir.path())?.list(&"web".parse()?).await.expect_err("there is none");
        ensure!(matches!(error, ProviderError::Unavailable { .. }) && error.to_string().contains("none"), "{error}");
        let error = providers::open(&silent, dir.path())?.list(&"web".parse()?).await.expect_err("nobody answers");
        ensure!(matches!(error, ProviderError::TimedOut { .. }) && error.to_string().contains("silent"), "{error}");
        Ok(())
    })
}
