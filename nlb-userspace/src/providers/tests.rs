#[cfg(all(feature = "docker", feature = "ec2", feature = "kubernetes"))]
mod elsewhere;
#[cfg(feature = "systemd")]
mod units;

use serde_json::{Map, Value, json};

use super::*;
use crate::autoscale::model::{ProviderKind, TemplateVersion};

fn template(provider: ProviderKind, port: u16, settings: &Value) -> LaunchTemplate {
    let version = TemplateVersion { name: "web".parse().unwrap(), version: 1 };
    let settings: Map<_, _> = settings.as_object().unwrap().clone();
    LaunchTemplate { version, provider, port, settings }
}

fn process(change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut settings = json!({
        "command": ["/usr/bin/server", "{address}"], "bridge": "lan", "addresses": "10.3.0.100-10.3.0.199/24",
        "gateway": "10.3.0.1", "environment": { "A": "b" }, "namespace_prefix": "a-", "stop_timeout": 3,
    });
    change(settings.as_object_mut().unwrap());
    settings
}

fn with(key: &str, value: Value) -> Value {
    process(|settings| {
        settings.insert(key.to_owned(), value);
    })
}

fn without(key: &str) -> Value {
    process(|settings| {
        settings.remove(key);
    })
}

#[test]
fn wrong_settings_are_named_with_what_would_be_right() {
    use ProviderKind::{Exec, Process, Webhook};
    let exec = |settings: Value| (Exec, 0, settings);
    let webhook = |settings: Value| (Webhook, 0, settings);
    let process = |settings: Value| (Process, 80, settings);
    for ((kind, port, settings), key, right) in [
        (process(without("command")), "settings.command", "absolute path"),
        (process(with("command", json!(["server"]))), "settings.command", "absolute path"),
        (process(with("command", json!("/bin/server"))), "settings.command", "absolute path"),
        (process(with("command", json!(["/bin/server", 1]))), "settings.command", "absolute path"),
        (process(without("bridge")), "settings.bridge", "br0"),
        (process(with("bridge", json!(1))), "settings.bridge", "a text"),
        (process(without("addresses")), "settings.addresses", "10.3.0.100-10.3.0.199/24"),
        (process(with("addresses", json!("10.3.0.100"))), "settings.addresses", "no range"),
        (process(with("gateway", json!("router"))), "settings.gateway", "10.3.0.1"),
        (process(with("environment", json!({ "A": 1 }))), "settings.environment", "table of texts"),
        (process(with("namespace_prefix", json!("../"))), "settings.namespace_prefix", "letters"),
        (process(with("stop_timeout", json!(0))), "settings.stop_timeout", "1 to 3600"),
        (process(with("brigde", json!("lan"))), "settings.brigde", "bridge"),
        ((Process, 0, without("none")), "port", "is missing"),
        (exec(json!({})), "settings.command", "absolute path"),
        (exec(json!({ "command": ["/bin/launch"], "timeout": "1s" })), "settings.timeout", "whole seconds"),
        (exec(json!({ "command": ["/bin/launch"], "bridge": "lan" })), "settings.bridge", "is not known"),
        (webhook(json!({})), "settings.url", "https://"),
        (webhook(json!({ "url": "launcher.example.org" })), "settings.url", "https://"),
        (webhook(json!({ "url": "https://a.example", "ca_file": "ca.pem" })), "settings.ca_file", "absolute path"),
        (webhook(json!({ "url": "http://a.example", "bearer_file": "/b" })), "settings.bearer_file", "`https`"),
        (
            webhook(json!({ "url": "https://a.example", "bearer_file": "/b", "hmac_file": "/h" })),
            "settings.hmac_file",
            "one of them",
        ),
    ] {
        let refused = check(&template(kind, port, &settings)).err();
        let Some(ProviderError::Settings { key: found, problem, .. }) = &refused else {
            panic!("{settings}: {refused:?}");
        };
        assert!(found == key && problem.contains(right), "{found} {problem}");
    }
    for (kind, port, settings) in [
        process(without("none")),
        exec(json!({ "command": ["/bin/launch", "web"] })),
        webhook(json!({ "url": "https://a.example/nlb", "bearer_file": "/b", "ca_file": "/ca.pem", "timeout": 5 })),
        webhook(json!({ "url": "http://localhost:8080", "bearer_file": "/b" })),
        webhook(json!({ "url": "http://a.example", "hmac_file": "/h" })),
    ] {
        assert_eq!(check(&template(kind, port, &settings)), Ok(()), "{settings}");
    }
}

#[test]
fn a_provider_that_is_not_built_in_is_said_to_be() {
    let settings = json!({});
    for kind in ProviderKind::ALL {
        let is_built_in = match kind {
            ProviderKind::Process | ProviderKind::Exec | ProviderKind::Webhook => true,
            ProviderKind::Systemd => cfg!(feature = "systemd"),
            ProviderKind::Docker => cfg!(feature = "docker"),
            ProviderKind::Kubernetes => cfg!(feature = "kubernetes"),
            ProviderKind::Ec2 => cfg!(feature = "ec2"),
        };
        let refused = check(&template(kind, 80, &settings)).unwrap_err();
        assert_eq!(matches!(refused, ProviderError::NotBuiltIn(_)), !is_built_in, "{refused}");
    }
}
