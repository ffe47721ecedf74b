//! Settings of systemd's units.

use serde_json::{Map, Value, json};

use super::{check, template};
use crate::autoscale::model::ProviderKind::Systemd;
use crate::providers::ProviderError;

fn unit(key: &str, value: Value) -> Value {
    let mut settings = Map::new();
    settings.insert("command".to_owned(), json!(["/usr/bin/server", "{address}"]));
    settings.insert("addresses".to_owned(), json!("10.3.0.100-10.3.0.199/24"));
    settings.insert(key.to_owned(), value);
    settings.into()
}

#[test]
fn wrong_settings_are_named_with_what_would_be_right() {
    for (port, settings, key, right) in [
        (80, unit("command", json!(["server"])), "settings.command", "absolute path"),
        (80, unit("addresses", json!("127.0.0.1")), "settings.addresses", "10.3.0.100-10.3.0.199/24"),
        (80, unit("bus", json!("unix:path=/run/systemd/private")), "settings.bus", "a bus's socket"),
        (80, unit("bus", json!("tcp:host=10.0.0.1")), "settings.bus", "\"system\""),
        (80, unit("bus", json!("unix:path=run")), "settings.bus", "\"system\""),
        (80, unit("gateway", json!("10.3.0.1")), "settings.gateway", "`bridge`"),
        (80, unit("properties", json!("MemoryMax=1G")), "settings.properties", "{ MemoryMax"),
        (80, unit("properties", json!({ "ExecStop": "/bin/true" })), "settings.properties", "MemoryMax"),
        (80, unit("properties", json!({ "MemoryMax": "1GB" })), "settings.properties", "\"512M\""),
        (80, unit("properties", json!({ "CPUQuota": 50 })), "settings.properties", "\"150%\""),
        (80, unit("properties", json!({ "Type": "forking" })), "settings.properties", "\"notify\""),
        (80, unit("namespace_prefix", json!("a")), "settings.namespace_prefix", "bridge"),
        (0, unit("stop_timeout", json!(1)), "port", "is missing"),
    ] {
        let refused = check(&template(Systemd, port, &settings)).err();
        let Some(ProviderError::Settings { key: found, problem, .. }) = &refused else {
            panic!("{settings}: {refused:?}");
        };
        assert!(found == key && problem.contains(right), "{found} {problem}");
    }
    for (key, value) in [
        ("bus", json!("system")),
        ("bus", json!("unix:path=/run/dbus/system_bus_socket")),
        ("bridge", json!("br-nlb")),
        ("properties", json!({ "MemoryMax": "1G", "User": "shop", "PrivateTmp": true, "Nice": -5 })),
    ] {
        let settings = unit(key, value);
        assert_eq!(check(&template(Systemd, 80, &settings)), Ok(()), "{settings}");
    }
}
